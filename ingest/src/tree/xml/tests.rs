use super::super::{BodyError, Entry, Format, Limits, Names, Place, Shape, Value, read};
use proptest::prelude::*;

const LIMITS: Limits = Limits { items_max: 3, depth_max: 3, values_max: 20 };
const NAMES: Names = Names { one: "one", several: "several" };

fn entries<'a>(text: &'a str) -> Result<(Shape, Vec<Entry<'a>>), BodyError> {
    let mut entries = Vec::new();
    let shape = read(Format::Xml, text, NAMES, &LIMITS, &mut |entry| entries.push(entry))?;
    Ok((shape, entries))
}

fn value(text: &str) -> Value<'_> {
    entries(text).expect(text).1.remove(0).content.expect("a tree").value
}

fn faults(text: &str) -> Vec<(String, &'static str)> {
    let tree = entries(text).expect(text).1.remove(0).content.expect("a tree");
    tree.faults.iter().map(|fault| (fault.path.xpath("/one"), fault.code)).collect()
}

fn error(text: &str) -> BodyError {
    entries(text).expect_err(text)
}

#[test]
fn text_is_joined_from_its_pieces() {
    let text = "<?xml version='1.0' encoding='utf-8'?><!-- c --><one><a>x &amp; <![CDATA[<y>]]>&#x416;<!-- c -->\r\nz</a><b/></one>\n";
    assert_eq!(
        value(text),
        Value::Elements(vec![("a".into(), Value::Text("x & <y>Ж\nz".into())), ("b".into(), Value::Text("".into()))])
    );
}

#[test]
fn an_envelope_is_a_batch_of_any_size() {
    let (shape, items) = entries("<several> <one/>\n<two>x</two><one a='1'></one> </several>").expect("items");
    let places: Vec<_> = items.iter().map(|entry| (entry.place.clone(), entry.raw, entry.content.is_ok())).collect();
    assert_eq!(shape, Shape::Several);
    assert_eq!(
        places,
        [
            (Place::Element("/several/one[1]".into()), "<one/>", true),
            (Place::Element("/several/*[2]".into()), "<two>x</two>", false),
            (Place::Element("/several/one[2]".into()), "<one a='1'></one>", true),
        ]
    );
    assert_eq!(error("<several/>"), BodyError::NoItems);
    assert_eq!(error("<several></several>"), BodyError::NoItems);
    assert_eq!(error("<several><one/><one/><one/><one/></several>"), BodyError::TooManyItems(3));
}

#[test]
fn another_root_is_refused_by_its_place() {
    assert!(matches!(error("<two/>"), BodyError::Root { place: Place::Element(place), .. } if place == "/two"));
}

#[test]
fn nothing_is_expanded() {
    assert_eq!(error("<!DOCTYPE one [<!ENTITY a 'b'>]><one>&a;</one>"), BodyError::Doctype);
    assert_eq!(error("<!DOCTYPE one SYSTEM 'file:///etc/passwd'><one/>"), BodyError::Doctype);
    assert_eq!(error("<one><a>&a;</a></one>"), BodyError::Entity);
}

#[test]
fn what_is_not_xml_is_malformed_and_its_words_hold_nothing_of_it() {
    for text in [
        "secret",
        "<one>",
        "<one></secret>",
        "<one></one></secret>",
        "<one/><secret/>",
        "<one/>secret",
        "<one><a>&secret</a></one>",
        "<one secret></one>",
        "<one secret='1' secret='2'/>",
        "<one>&#0;</one>",
        "<one>&#x1;</one>",
        "<one>\u{1}</one>",
        "<one><1secret/></one>",
        "<>secret</>",
        "<one><!-- secret",
        "<one><![CDATA[secret",
        "<several>secret</several>",
        "<one><?xml version='1.0'?></one>",
        "<?xml?><one/>",
        " <?xml version='1.0'?><one/>",
    ] {
        let error = error(text);
        assert!(matches!(error, BodyError::Malformed(_)), "{text}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn other_encodings_are_refused() {
    assert_eq!(error("<?xml version='1.0' encoding='windows-1251'?><one/>"), BodyError::Encoding);
}

#[test]
fn what_would_be_lost_is_a_fault() {
    assert_eq!(faults("<one xmlns='urn:x' xmlns:xsi='urn:y' xsi:schemaLocation='z'/>"), []);
    assert_eq!(faults("<one><a unit='kg'>1</a></one>"), [("/one/a/@unit".to_owned(), "attribute")]);
    assert_eq!(faults("<one>text<a/></one>"), [("/one".to_owned(), "mixed_content")]);
}

#[test]
fn depth_and_size_are_bounded_where_they_are_exceeded() {
    assert_eq!(faults("<one><a><b><c/></b></a></one>"), []);
    assert_eq!(faults("<one><a><b><c><d/></c></b></a></one>"), [("/one/a/b/c".to_owned(), "too_deep")]);
    assert_eq!(
        faults("<one><l><item/><item><a><b/><b/></a></item></l></one>"),
        [("/one/l/item[2]/a".to_owned(), "too_deep")]
    );
    let many = format!("<one>{}</one>", "<a/>".repeat(30));
    assert_eq!(faults(&many), [("/one/a".to_owned(), "too_many_values")]);
    let deep = format!("<one>{}{}</one>", "<a>".repeat(100_000), "</a>".repeat(100_000));
    assert_eq!(faults(&deep), [("/one/a/a/a".to_owned(), "too_deep")]);
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=''")).collect();
    assert!(matches!(error(&format!("<one{attributes}/>")), BodyError::Malformed(_)));
}

proptest! {
    #[test]
    fn no_text_panics(text in "(<|>|/|one|several|item|a| |'|=|&|;|!|\\[|\\]|-|\\?|x|CDATA|DOCTYPE){0,30}") {
        let _ = entries(&text);
    }
}
