//! One JSON object a line. A line that is not JSON is an item too: the gateway refuses it and keeps it.

use std::io::{BufRead, Read};

use super::source::Source;
use super::{MAX_ITEM_BYTES, ReadError, Sink};
use crate::item::{Item, Kind, json_field};

pub(super) fn read(mut source: Source, kind: Kind, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let cursor = source.cursor();
    let mut line = Vec::new();
    loop {
        let number = cursor.line();
        line.clear();
        // The limit leaves the source itself to say that the line is too large.
        let read =
            source.by_ref().take(MAX_ITEM_BYTES + 2).read_until(b'\n', &mut line).map_err(|error| cursor.io(error))?;
        if read == 0 {
            return Ok(());
        }
        cursor.item_ended();
        if read as u64 > MAX_ITEM_BYTES {
            return Err(cursor.malformed(number, format!("the line is longer than {MAX_ITEM_BYTES} bytes")));
        }
        let body = line.trim_ascii();
        if body.is_empty() {
            continue;
        }
        // A carriage return inside a line would end it for some readers; in JSON it can only be white space.
        let body: Vec<u8> = body.iter().map(|byte| if *byte == b'\r' { b' ' } else { *byte }).collect();
        let item = Item { key: json_field(&body, kind.key_field()), body, origin: cursor.origin(number, number) };
        if sink(item).is_break() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bodies, read_all};
    use super::*;

    #[test]
    fn each_line_is_an_item_with_its_number_and_key() {
        let text = "{\"place_id\":\"a\"}\r\n\n  {\"place_id\":7}\nnot json\n{\"last\":1}";
        let (items, result) = read_all("a.ndjson", text.as_bytes(), Kind::Receipts, None);
        result.unwrap();
        assert_eq!(bodies(&items), ["{\"place_id\":\"a\"}", "{\"place_id\":7}", "not json", "{\"last\":1}"]);
        let lines: Vec<_> = items.iter().map(|item| item.origin.lines.0).collect();
        assert_eq!(lines, [1, 3, 4, 5]);
        let keys: Vec<_> = items.iter().map(|item| item.key.as_deref()).collect();
        assert_eq!(keys, [Some("a"), Some("7"), None, None]);
    }

    #[test]
    fn a_line_without_end_is_not_read_into_memory() {
        let text = vec![b'x'; MAX_ITEM_BYTES as usize * 2];
        let (items, result) = read_all("a.ndjson", &text, Kind::Receipts, None);
        assert!(items.is_empty());
        let error = result.unwrap_err().to_string();
        assert!(error.contains("longer than") || error.contains("larger than"), "{error}");
    }
}
