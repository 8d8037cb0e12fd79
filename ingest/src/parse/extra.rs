//! Fields that the contract does not name: kept as JSON text, in one spelling, unless they hold card data.

use super::{CARD_DATA, fields::repeated};
use crate::tree::{ENTRY, Member, Value, shown};
use millrace_schemas::rules::{ID_MAX, Path, Violation, is_card_field_name, mentions_card_number};
use std::collections::BTreeMap;

/// Each field as JSON text by its name. The rules judge names and numbers at the top; names further down are judged here.
pub(super) fn texts(members: Vec<Member<'_>>, at: &Path, note: &mut dyn FnMut(Violation)) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (name, value) in members {
        let path = at.clone().then(shown(&name).as_ref());
        if mentions_card_number(&name) {
            note(card_data(path));
        } else if name.chars().count() > ID_MAX {
            note(Violation::new(path, "too_long", format!("a field's name must have at most {ID_MAX} characters")));
        } else {
            let mut text = String::new();
            write(&value, &path, &mut text, note);
            kept.insert(name.into_owned(), text);
        }
    }
    kept
}

/// Whether a value that could not be read holds card data.
pub(super) fn holds_card_data(value: &Value<'_>) -> bool {
    let (mut text, mut named) = (String::new(), false);
    write(value, &Path::root(), &mut text, &mut |violation| named |= violation.code == CARD_DATA);
    named || mentions_card_number(&text)
}

fn card_data(path: Path) -> Violation {
    Violation::new(path, CARD_DATA, "card numbers and security codes are not accepted; send a token in card_id")
}

/// Writes a value as JSON without spaces and with sorted names, so that spelling makes no difference to the content.
fn write(value: &Value<'_>, at: &Path, out: &mut String, note: &mut dyn FnMut(Violation)) {
    match value {
        Value::Null | Value::Skipped => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(digits) => out.push_str(digits),
        Value::String(text) | Value::Text(text) => write_string(text, out),
        Value::List(entries) => write_list(entries.iter(), at, out, note),
        Value::Object(members) => {
            for name in repeated(members) {
                note(Violation::new(at.clone().then(shown(&name).as_ref()), "duplicate_field", "must stand only once"));
            }
            let sorted: BTreeMap<&str, Vec<&Value<'_>>> =
                members.iter().map(|(name, value)| (&**name, vec![value])).collect();
            write_members(&sorted, at, out, note);
        }
        Value::Elements(children) if children.iter().all(|(name, _)| name == ENTRY) => {
            write_list(children.iter().map(|(_, value)| value), at, out, note);
        }
        Value::Elements(children) => {
            let mut sorted: BTreeMap<&str, Vec<&Value<'_>>> = BTreeMap::new();
            for (name, value) in children {
                sorted.entry(name).or_default().push(value);
            }
            write_members(&sorted, at, out, note);
        }
    }
}

fn write_list<'v, 'a: 'v>(
    entries: impl Iterator<Item = &'v Value<'a>>,
    at: &Path,
    out: &mut String,
    note: &mut dyn FnMut(Violation),
) {
    out.push('[');
    for (index, entry) in entries.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(entry, &at.clone().then(index), out, note);
    }
    out.push(']');
}

/// An element that is repeated becomes an array.
fn write_members(
    members: &BTreeMap<&str, Vec<&Value<'_>>>,
    at: &Path,
    out: &mut String,
    note: &mut dyn FnMut(Violation),
) {
    out.push('{');
    for (number, (name, values)) in members.iter().enumerate() {
        if number > 0 {
            out.push(',');
        }
        let at = at.clone().then(shown(name).as_ref());
        if is_card_field_name(name) {
            note(card_data(at.clone()));
        }
        write_string(name, out);
        out.push(':');
        match values.as_slice() {
            [value] => write(value, &at, out, note),
            several => write_list(several.iter().copied(), &at, out, note),
        }
    }
    out.push('}');
}

fn write_string(text: &str, out: &mut String) {
    // A string always has a JSON form.
    out.push_str(&serde_json::Value::from(text).to_string());
}
