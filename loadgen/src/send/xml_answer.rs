//! An answer in XML as the JSON it stands for.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
use serde_json::Value;

/// An element whose end has not come yet.
#[derive(Default)]
struct Open {
    name: String,
    children: Vec<(String, Value)>,
    text: String,
}

impl Open {
    fn new(name: &str) -> Self {
        Open { name: name.to_owned(), ..Open::default() }
    }

    /// An element with children is an object, `results` and `errors` are lists of theirs, the rest is text.
    fn close(self) -> (String, Value) {
        let value = if matches!(self.name.as_str(), "results" | "errors") {
            Value::Array(self.children.into_iter().map(|(_, value)| value).collect())
        } else if self.children.is_empty() {
            Value::String(self.text)
        } else {
            Value::Object(self.children.into_iter().collect())
        };
        (self.name, value)
    }
}

/// Reads the root element; `None` when the text is not well formed.
pub(super) fn from_xml(text: &str) -> Option<Value> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Open::default()];
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => open.push(Open::new(start.local_name().as_ref())),
            Event::Empty(start) => {
                let element = Open::new(start.local_name().as_ref()).close();
                open.last_mut()?.children.push(element);
            }
            Event::Text(content) => open.last_mut()?.text.push_str(&content.xml10_content()),
            Event::CData(content) => open.last_mut()?.text.push_str(&content.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                Some(character) => open.last_mut()?.text.push(character),
                None => open.last_mut()?.text.push_str(resolve_xml_entity(&reference)?),
            },
            Event::End(_) => {
                let element = open.pop()?.close();
                open.last_mut()?.children.push(element);
            }
            Event::Eof => {
                let (_, root) = open.pop().filter(|_| open.is_empty())?.children.pop()?;
                return Some(root);
            }
            _ => {}
        }
    }
}
