//! A JSON value as an XML document: an object's members are elements, a list is an element with one child per entry, `null` is left
//! out.

use crate::tree::{ENTRY, is_char, is_name};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesStart, BytesText, Event},
};
use serde_json::Value as Json;
use std::io;

/// A document whose root has a name and, where given, a namespace.
pub(super) fn document((name, namespace): (&str, Option<&str>), value: &Json) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let mut root = BytesStart::new(name);
    if let Some(namespace) = namespace {
        root.push_attribute(("xmlns", namespace));
    }
    let written = writer
        .write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))
        .and_then(|()| write(&mut writer, root, name, value));
    if let Err(error) = written {
        tracing::error!(error = %error, "memory takes every write");
    }
    writer.into_inner()
}

fn write(writer: &mut Writer<Vec<u8>>, start: BytesStart<'_>, name: &str, value: &Json) -> io::Result<()> {
    let end = start.to_end().into_owned();
    match value {
        Json::Null => return Ok(()),
        Json::Bool(flag) => text(writer, start, if *flag { "true" } else { "false" })?,
        Json::Number(number) => text(writer, start, &number.to_string())?,
        Json::String(string) => text(writer, start, string)?,
        Json::Array(entries) => {
            writer.write_event(Event::Start(start))?;
            for entry in entries {
                let name = entry_name(name);
                write(writer, BytesStart::new(name), name, entry)?;
            }
        }
        Json::Object(members) => {
            writer.write_event(Event::Start(start))?;
            for (name, value) in members {
                write(writer, member(name), name, value)?;
            }
        }
    }
    writer.write_event(Event::End(end))
}

fn text(writer: &mut Writer<Vec<u8>>, start: BytesStart<'_>, text: &str) -> io::Result<()> {
    writer.write_event(Event::Start(start))?;
    let legal: String = text.chars().map(|c| if is_char(c) { c } else { char::REPLACEMENT_CHARACTER }).collect();
    writer.write_event(Event::Text(BytesText::new(&legal)))
}

/// A client's own field may have a name that no element can have.
fn member(name: &str) -> BytesStart<'_> {
    if is_name(name) {
        return BytesStart::new(name);
    }
    let mut start = BytesStart::new("field");
    let legal: String = name.chars().filter(|c| is_char(*c)).collect();
    start.push_attribute(("name", legal.as_str()));
    start
}

fn entry_name(list: &str) -> &'static str {
    match list {
        "results" => "result",
        "errors" => "error",
        _ => ENTRY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_becomes_elements() {
        let value =
            json!({"n": 1.50, "t": "a<b&\u{1}", "none": null, "errors": [{"path": "/a"}], "2 x": true, "l": [1, 2]});
        let xml = String::from_utf8(document(("problem", Some("urn:x")), &value)).expect("UTF-8");
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><problem xmlns=\"urn:x\"><n>1.5</n><t>a&lt;b&amp;\u{fffd}</t>\
             <errors><error><path>/a</path></error></errors><field name=\"2 x\">true</field>\
             <l><item>1</item><item>2</item></l></problem>"
        );
    }
}
