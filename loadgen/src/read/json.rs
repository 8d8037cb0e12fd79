//! JSON objects, or one array of them, read element by element. The text of an element is passed on as written.

use std::fmt;
use std::io::{self, BufRead};

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::source::{Cursor, Source};
use super::{ReadError, Sink};
use crate::item::{Item, Kind, json_field};

pub(super) fn read(mut source: Source, kind: Kind, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let cursor = source.cursor();
    let first = first_byte(&mut source).map_err(|error| cursor.io(error))?;
    let start = cursor.line();
    let mut elements = Elements { cursor, kind, sink, stopped: false };
    let result = if first == Some(b'[') { elements.read_array(source) } else { elements.read_sequence(source) };
    match result {
        Err(error) if !elements.stopped => Err(explain(&elements.cursor, start, error)),
        _ => Ok(()),
    }
}

/// First byte that is not white space; what comes before it is consumed.
fn first_byte(source: &mut Source) -> io::Result<Option<u8>> {
    loop {
        let buffer = source.fill_buf()?;
        let blank = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let first = buffer.get(blank).copied();
        source.consume(blank);
        if first.is_some() || blank == 0 {
            return Ok(first);
        }
    }
}

/// An error of the parser, whose lines are counted from `start`.
fn explain(cursor: &Cursor, start: u64, error: serde_json::Error) -> ReadError {
    if error.is_io() {
        return cursor.io(error.into());
    }
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    cursor.malformed(start + (error.line() as u64).saturating_sub(1), format!("{what} (column {})", error.column()))
}

/// Gives elements to the sink as the parser reaches them.
struct Elements<'a, 'b> {
    cursor: Cursor,
    kind: Kind,
    sink: &'a mut Sink<'b>,
    stopped: bool,
}

impl Elements<'_, '_> {
    fn read_array(&mut self, source: Source) -> serde_json::Result<()> {
        let mut deserializer = serde_json::Deserializer::from_reader(source);
        deserializer.deserialize_seq(&mut *self)?;
        deserializer.end()
    }

    fn read_sequence(&mut self, source: Source) -> serde_json::Result<()> {
        for element in serde_json::Deserializer::from_reader(source).into_iter::<Box<RawValue>>() {
            self.give(&element?);
            if self.stopped {
                break;
            }
        }
        Ok(())
    }

    fn give(&mut self, element: &RawValue) {
        self.cursor.item_ended();
        let text = element.get().as_bytes();
        let breaks = text.iter().filter(|byte| **byte == b'\n').count() as u64;
        let last = self.cursor.line();
        // Line breaks in JSON are white space: within a text they are escaped.
        let body: Vec<u8> = text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
        let item = Item {
            key: json_field(&body, self.kind.key_field()),
            body,
            origin: self.cursor.origin(last - breaks, last),
        };
        self.stopped = (self.sink)(item).is_break();
    }
}

impl<'de> Visitor<'de> for &mut Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(element) = sequence.next_element::<Box<RawValue>>()? {
            self.give(&element);
            if self.stopped {
                return Err(de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bodies, read_all};
    use super::*;

    #[test]
    fn elements_of_an_array_keep_their_text_and_know_their_lines() {
        let text = "\n[\n {\"place_id\":\"a\",\n  \"total_amount\": 10.990},\n {\"place_id\":\"b\"},\n 3\n]\n";
        let (items, result) = read_all("a.json", text.as_bytes(), Kind::Receipts, None);
        result.unwrap();
        assert_eq!(bodies(&items), ["{\"place_id\":\"a\",   \"total_amount\": 10.990}", "{\"place_id\":\"b\"}", "3"]);
        assert_eq!(items[0].origin.lines, (3, 4));
        assert_eq!(items[1].origin.lines, (5, 5));
        assert_eq!(items[0].key.as_deref(), Some("a"));
    }

    #[test]
    fn one_object_or_several_after_one_another_are_items() {
        let (items, result) =
            read_all("a.json", b"{\n\"customer_id\":\"a\"\n}\n{\"customer_id\":\"b\"}", Kind::Transactions, None);
        result.unwrap();
        assert_eq!(items.iter().map(|item| item.key.as_deref()).collect::<Vec<_>>(), [Some("a"), Some("b")]);
        assert_eq!(items[0].origin.lines, (1, 3));
    }

    #[test]
    fn an_empty_file_and_an_empty_array_have_no_items() {
        for text in ["", " \n ", "[]", "[ ]\n"] {
            let (items, result) = read_all("a.json", text.as_bytes(), Kind::Receipts, None);
            assert!(items.is_empty() && result.is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_comes_before_a_broken_element_is_given_and_the_line_is_named() {
        let (items, result) = read_all("a.json", b"\n[{},\n{},\n{\"a\": }]", Kind::Receipts, None);
        assert_eq!(items.len(), 2);
        let error = result.unwrap_err().to_string();
        assert!(error.contains("a.json, line 4: expected value (column"), "{error}");
        let (_, result) = read_all("a.json", b"[{}] trailing", Kind::Receipts, None);
        assert!(result.unwrap_err().to_string().contains("trailing characters"));
    }
}
