//! `<receipts>` or `<transactions>` read child by child, or one `<receipt>` or `<transaction>`. Children are passed on as written.

use quick_xml::events::Event;
use quick_xml::{Reader, Writer};

use super::source::{Cursor, Source};
use super::{ReadError, Sink};
use crate::item::{Item, Kind};

/// Elements within elements that are followed.
const MAX_DEPTH: usize = 128;

pub(super) fn read(source: Source, kind: Kind, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let cursor = source.cursor();
    let mut reader = Reader::from_reader(source);
    let mut buffer = Vec::new();
    let mut in_list = false;
    let mut root_seen = false;
    loop {
        buffer.clear();
        let line = cursor.line();
        let event = reader.read_event_into(&mut buffer).map_err(|error| explain(&cursor, error))?;
        let (name, is_empty) = match &event {
            Event::Start(start) => (start.name(), false),
            Event::Empty(start) => (start.name(), true),
            Event::End(_) => {
                in_list = false;
                continue;
            }
            Event::Eof if !root_seen || in_list => {
                return Err(cursor.malformed(cursor.line(), "the document ends too early"));
            }
            Event::Eof => return Ok(()),
            Event::DocType(_) => {
                return Err(cursor.malformed(line, "a document type is not read: its entities could not be passed on"));
            }
            Event::Text(text) if !text.trim().is_empty() => return Err(cursor.malformed(line, "text between items")),
            Event::CData(_) | Event::GeneralRef(_) => return Err(cursor.malformed(line, "text between items")),
            _ => continue,
        };
        if name.as_ref() == kind.list_element() && !root_seen {
            (root_seen, in_list) = (true, !is_empty);
            continue;
        }
        if name.as_ref() != kind.element() || (root_seen && !in_list) {
            let message = format!("unexpected element <{}>: expected <{}>", name.as_ref(), kind.element());
            return Err(cursor.malformed(line, message));
        }
        root_seen = true;
        let mut element = Element::new(kind);
        let mut event = event.into_owned();
        while !element.take(event).map_err(|message| cursor.malformed(line, message))? {
            buffer.clear();
            event = reader.read_event_into(&mut buffer).map_err(|error| explain(&cursor, error))?.into_owned();
        }
        cursor.item_ended();
        let (body, key) = element.finish();
        if sink(Item { body, key, origin: cursor.origin(line, cursor.line()) }).is_break() {
            return Ok(());
        }
    }
}

fn explain(cursor: &Cursor, error: quick_xml::Error) -> ReadError {
    match error {
        quick_xml::Error::Io(error) => cursor.io(std::io::Error::new(error.kind(), error.to_string())),
        error => cursor.malformed(cursor.line(), error),
    }
}

/// One item being copied.
struct Element {
    writer: Writer<Vec<u8>>,
    key_field: &'static str,
    key: Option<String>,
    depth: usize,
    in_key: bool,
}

impl Element {
    fn new(kind: Kind) -> Self {
        Element { writer: Writer::new(Vec::new()), key_field: kind.key_field(), key: None, depth: 0, in_key: false }
    }

    /// Copies an event; true when it ended the item.
    fn take(&mut self, event: Event<'_>) -> Result<bool, String> {
        match &event {
            Event::Start(start) => {
                self.depth += 1;
                self.in_key = self.depth == 2 && start.name().as_ref() == self.key_field;
            }
            Event::End(_) => {
                self.depth -= 1;
                self.in_key = false;
            }
            Event::Text(text) if self.in_key => self.extend_key(&text.xml10_content()),
            Event::CData(text) if self.in_key => self.extend_key(&text.xml10_content()),
            Event::GeneralRef(reference) if self.in_key => {
                let resolved = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character.to_string()),
                    _ => quick_xml::escape::resolve_xml_entity(reference).map(str::to_owned),
                };
                self.extend_key(&resolved.unwrap_or_default());
            }
            Event::Eof => return Err("the document ends within an item".to_owned()),
            _ => {}
        }
        if self.depth > MAX_DEPTH {
            return Err(format!("elements are nested more than {MAX_DEPTH} deep"));
        }
        self.writer.write_event(event).map_err(|error| error.to_string())?;
        Ok(self.depth == 0)
    }

    fn extend_key(&mut self, text: &str) {
        self.key.get_or_insert_default().push_str(text);
    }

    fn finish(self) -> (Vec<u8>, Option<String>) {
        (self.writer.into_inner(), self.key.map(|key| key.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bodies, read_all};
    use super::*;

    #[test]
    fn children_of_the_list_are_items_as_written() {
        let text = "<?xml version=\"1.0\"?>\n<!-- two -->\n<receipts>\n <receipt><place_id>a&amp;b&#33;</place_id>\n\
                    <items><item><place_id>no</place_id></item></items></receipt>\n <receipt><place_id><![CDATA[ c ]]></place_id></receipt>\n</receipts>\n";
        let (items, result) = read_all("a.xml", text.as_bytes(), Kind::Receipts, None);
        result.unwrap();
        assert_eq!(
            bodies(&items),
            [
                "<receipt><place_id>a&amp;b&#33;</place_id>\n<items><item><place_id>no</place_id></item></items></receipt>",
                "<receipt><place_id><![CDATA[ c ]]></place_id></receipt>"
            ]
        );
        assert_eq!(items.iter().map(|item| item.key.as_deref()).collect::<Vec<_>>(), [Some("a&b!"), Some("c")]);
        assert_eq!((items[0].origin.lines, items[1].origin.lines), ((4, 5), (6, 6)));
    }

    #[test]
    fn one_item_may_be_the_document() {
        let (items, result) =
            read_all("a.xml", b"<transaction><customer_id>1</customer_id></transaction>", Kind::Transactions, None);
        result.unwrap();
        assert_eq!(items[0].key.as_deref(), Some("1"));
        let (items, result) = read_all("a.xml", b"<transactions/>", Kind::Transactions, None);
        assert!(items.is_empty() && result.is_ok());
    }

    #[test]
    fn documents_of_another_shape_are_refused_with_the_line() {
        for (text, message) in [
            ("", "ends too early"),
            ("<receipts>\n<receipt/>", "ends too early"),
            ("<receipts><receipt><a>", "ends within an item"),
            ("<transactions/>", "unexpected element <transactions>"),
            ("<receipt/>\n<receipt/>", "line 2: unexpected element <receipt>"),
            ("<receipts>loose<receipt/></receipts>", "text between items"),
            ("<!DOCTYPE r [<!ENTITY a \"b\">]><receipt/>", "document type"),
            ("<receipts><receipt></receipts>", "line 1"),
        ] {
            let (_, result) = read_all("a.xml", text.as_bytes(), Kind::Receipts, None);
            let error = result.expect_err(text).to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        let deep = format!("<receipt>{}", "<a>".repeat(200));
        let (_, result) = read_all("a.xml", deep.as_bytes(), Kind::Receipts, None);
        assert!(result.unwrap_err().to_string().contains("nested more than"));
    }
}
