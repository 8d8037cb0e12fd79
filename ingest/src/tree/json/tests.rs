use super::super::{BodyError, Entry, Format, Limits, Names, Shape, Value, read};
use proptest::prelude::*;

const LIMITS: Limits = Limits { items_max: 3, depth_max: 3, values_max: 20 };
const NAMES: Names = Names { one: "one", several: "several" };

/// Items as (place's root path, value or code, codes of faults with their paths).
type Seen = Vec<(String, String, Vec<(String, &'static str)>)>;

fn seen(format: Format, text: &str) -> Result<(Shape, Seen), BodyError> {
    let mut items = Seen::new();
    let mut take = |entry: Entry<'_>| {
        let place = entry.place.locate(&millrace_schemas::rules::Path::root());
        items.push(match entry.content {
            Ok(tree) => (
                place,
                format!("{:?}", tree.value),
                tree.faults.iter().map(|fault| (fault.path.pointer(), fault.code)).collect(),
            ),
            Err(unreadable) => (place, unreadable.code.to_owned(), Vec::new()),
        });
    };
    let shape = read(format, text, NAMES, &LIMITS, &mut take)?;
    Ok((shape, items))
}

fn value(text: &str) -> Value<'_> {
    let mut found = None;
    read(Format::Json, text, NAMES, &LIMITS, &mut |entry| found = entry.content.ok().map(|tree| tree.value))
        .expect(text);
    found.expect("one item")
}

fn faults(text: &str) -> Vec<(String, &'static str)> {
    seen(Format::Json, text).expect("readable").1.remove(0).2
}

#[test]
fn numbers_keep_their_digits_and_strings_lose_their_escapes() {
    assert_eq!(
        value(r#" {"n": -10.990e+02, "s": "a", "e": "\u0416\n", "b": true, "z": null, "l": [1]} "#),
        Value::Object(vec![
            ("n".into(), Value::Number("-10.990e+02")),
            ("s".into(), Value::String("a".into())),
            ("e".into(), Value::String("Ж\n".into())),
            ("b".into(), Value::Bool(true)),
            ("z".into(), Value::Null),
            ("l".into(), Value::List(vec![Value::Number("1")])),
        ])
    );
}

#[test]
fn names_that_repeat_are_kept_and_no_name_is_magic() {
    let text = r#"{"a": 1, "a": 2, "$serde_json::private::Number": "x"}"#;
    let Value::Object(members) = value(text) else { panic!("an object") };
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["a", "a", "$serde_json::private::Number"]);
}

#[test]
fn an_array_is_a_batch_of_any_size_and_an_object_is_none() {
    assert_eq!(seen(Format::Json, "[{}]").map(|(shape, items)| (shape, items.len())), Ok((Shape::Several, 1)));
    assert_eq!(seen(Format::Json, "{}").map(|(shape, items)| (shape, items.len())), Ok((Shape::One, 1)));
    assert_eq!(seen(Format::Json, "[]"), Err(BodyError::NoItems));
    assert_eq!(seen(Format::Json, "[1,2,3,4]"), Err(BodyError::TooManyItems(3)));
    assert_eq!(seen(Format::Json, "17"), Err(BodyError::NotRecords));
}

#[test]
fn what_is_not_json_is_malformed_as_a_whole() {
    for text in
        ["{", "[{}", "[{}}", "{'a': 1}", "{\"a\": NaN}", "{\"a\": 01}", "{} {}", "nul", "{\"a\": \"\\ud800\"}", "[1,]"]
    {
        assert!(matches!(seen(Format::Json, text), Err(BodyError::Malformed(_))), "{text}");
    }
}

#[test]
fn words_for_what_is_malformed_hold_nothing_of_the_body() {
    for text in ["{\"secret\": secret}", "{\"secret\" \"secret\"}", "secret", "{secret: 1}"] {
        let message = seen(Format::Json, text).expect_err("malformed").to_string();
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn a_bad_line_harms_no_other() {
    let (shape, items) = seen(Format::Ndjson, "{}\n\n  \r\n{\n{}").expect("lines");
    let codes: Vec<(&str, bool)> =
        items.iter().map(|(place, value, _)| (place.as_str(), value == "malformed")).collect();
    assert_eq!((shape, codes), (Shape::Several, vec![("/0", false), ("/1", true), ("/2", false)]));
    assert_eq!(seen(Format::Ndjson, "\n \n"), Err(BodyError::Empty));
    assert_eq!(seen(Format::Ndjson, "1\n2\n3\n4"), Err(BodyError::TooManyItems(3)));
}

#[test]
fn depth_and_size_are_bounded_where_they_are_exceeded() {
    assert_eq!(faults(r#"{"a": {"b": {}}}"#), []);
    assert_eq!(faults(r#"{"a": {"b": {"c": {}}}}"#), [("/a/b/c".to_owned(), "too_deep")]);
    assert_eq!(faults(r#"{"a": [[[]]], "b": 1}"#), [("/a/0/0".to_owned(), "too_deep")]);
    let many = format!("{{\"a\": [{}1]}}", "1,".repeat(20));
    assert_eq!(faults(&many), [("/a".to_owned(), "too_many_values")]);
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(faults(&deep), [("/a/0/0".to_owned(), "too_deep")]);
}

proptest! {
    #[test]
    fn no_text_panics_and_syntax_is_the_librarys(text in "[\\[\\]{}\",:0-9a-z\\\\ .-]{0,40}") {
        let limits = Limits { items_max: 100, depth_max: 100, values_max: 1_000 };
        let read = read(Format::Json, &text, NAMES, &limits, &mut |_| {});
        let valid = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert_eq!(matches!(read, Err(BodyError::Malformed(_) | BodyError::Empty)), !valid);
    }
}
