//! CSV rows to items, by a mapping.

use super::source::{Cursor, Source};
use super::{ReadError, Sink};
use crate::item::Item;
use crate::mapping::{Bound, Gathered, Gatherer, Mapping};

pub(super) fn read(source: Source, mapping: &Mapping, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let cursor = source.cursor();
    let mut reader = csv::ReaderBuilder::new().delimiter(mapping.delimiter as u8).from_reader(source);
    let header = reader.headers().map_err(|error| explain(&cursor, error))?.clone();
    cursor.item_ended();
    let bound = Bound::new(mapping, &header).map_err(|source| ReadError::Mapping { file: cursor.file(), source })?;
    let mut gatherer = Gatherer::new(mapping, bound);
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row).map_err(|error| explain(&cursor, error))? {
        cursor.item_ended();
        let line = row.position().map_or(0, csv::Position::line);
        let complete = gatherer.take(&row, line).map_err(|message| cursor.malformed(line, message))?;
        if complete.into_iter().any(|item| sink(item_of(&cursor, item)).is_break()) {
            return Ok(());
        }
    }
    gatherer.end().into_iter().any(|item| sink(item_of(&cursor, item)).is_break());
    Ok(())
}

fn item_of(cursor: &Cursor, gathered: Gathered) -> Item {
    let Gathered { body, key, lines: (first, last) } = gathered;
    Item { body, key, origin: cursor.origin(first, last) }
}

fn explain(cursor: &Cursor, error: csv::Error) -> ReadError {
    let line = error.position().map_or_else(|| cursor.line(), csv::Position::line);
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => cursor.io(error),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            cursor.malformed(line, format!("the row has {len} cells, the header {expected_len}"))
        }
        csv::ErrorKind::Utf8 { .. } => cursor.malformed(line, "the row is not UTF-8"),
        _ => cursor.malformed(line, text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bodies, read_all};
    use super::*;
    use crate::item::Kind;

    fn mapping(within_rows: u64) -> Mapping {
        toml::from_str(&format!(
            "kind = \"receipts\"\ngroup = {{ by = \"invoice\", within_rows = {within_rows} }}\n\
             [fields]\ntransaction_id = {{ column = \"invoice\" }}\nplace_id = {{ column = \"place\" }}\n\
             total_amount = {{ sum = [\"quantity\", \"price\"] }}\ncurrency = {{ constant = \"GBP\" }}\n\
             [items]\nproduct_id = {{ column = \"product\" }}\nquantity = {{ column = \"quantity\", as = \"number\" }}\n"
        ))
        .unwrap()
    }

    const HEADER: &str = "invoice,place,product,quantity,price\n";

    fn read(rows: &str, within_rows: u64) -> (Vec<Item>, Result<(), ReadError>) {
        read_all("a.csv", format!("{HEADER}{rows}").as_bytes(), Kind::Receipts, Some(mapping(within_rows)))
    }

    #[test]
    fn adjacent_rows_become_one_receipt_with_the_exact_sum() {
        let (items, result) = read("1,p,a,3,0.1\n1,p,b,1,0.20\n2,q,a,-2,1.005\n", 0);
        result.unwrap();
        assert_eq!(
            bodies(&items),
            [
                r#"{"transaction_id":"1","place_id":"p","total_amount":0.5,"currency":"GBP","items":[{"product_id":"a","quantity":3},{"product_id":"b","quantity":1}]}"#,
                r#"{"transaction_id":"2","place_id":"q","total_amount":-2.01,"currency":"GBP","items":[{"product_id":"a","quantity":-2}]}"#,
            ]
        );
        assert_eq!(items.iter().map(|item| item.origin.lines).collect::<Vec<_>>(), [(2, 3), (4, 4)]);
        assert_eq!(items[1].key.as_deref(), Some("q"));
    }

    #[test]
    fn rows_of_a_receipt_may_be_apart_by_as_many_rows_as_the_mapping_says() {
        let rows = "1,p,a,1,1\n2,p,a,1,1\n3,p,a,1,1\n1,p,b,1,1\n4,p,a,1,1\n";
        let ids = |within| {
            let (items, result) = read(rows, within);
            result.unwrap();
            let ids = items.iter().map(|item| crate::item::json_field(&item.body, "transaction_id").unwrap());
            ids.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ids(0), "1 2 3 1 4");
        assert_eq!(ids(1), "1 2 3 1 4");
        assert_eq!(ids(2), "2 3 1 4");
        assert_eq!(ids(100), "2 3 1 4");
    }

    #[test]
    fn a_sum_that_cannot_be_made_is_left_out_and_the_row_still_sent() {
        let (items, result) = read("1,p,a,x,1\n", 0);
        result.unwrap();
        assert_eq!(
            bodies(&items),
            [r#"{"transaction_id":"1","place_id":"p","currency":"GBP","items":[{"product_id":"a","quantity":"x"}]}"#]
        );
        let (items, _) = read("1,p,a,0.000000000000001,0.00000000000000000001\n", 0);
        assert!(!bodies(&items)[0].contains("total_amount"), "a product that would be rounded is not a sum");
    }

    #[test]
    fn broken_rows_end_the_file_with_their_line() {
        let (items, result) = read("1,p,a,1,1\n2,p,a\n", 0);
        assert!(items.is_empty(), "the receipt before may not be complete");
        assert_eq!(
            result.unwrap_err().to_string().split_once("line ").unwrap().1,
            "3: the row has 3 cells, the header 5"
        );
        let bytes = [HEADER.as_bytes(), b"1,p,\xff,1,1\n"].concat();
        let (_, result) = read_all("a.csv", &bytes, Kind::Receipts, Some(mapping(0)));
        assert!(result.unwrap_err().to_string().contains("line 2: the row is not UTF-8"));
    }

    #[test]
    fn a_column_that_is_not_there_is_named_with_those_that_are() {
        let (_, result) = read_all("a.csv", b"invoice,place\n", Kind::Receipts, Some(mapping(0)));
        let error = result.unwrap_err().to_string();
        assert!(error.contains("no column \"product\"") && error.contains("invoice, place"), "{error}");
        let (_, result) = read_all("a.csv", b"", Kind::Receipts, None);
        assert!(result.unwrap_err().to_string().contains("--mapping"));
    }
}
