//! Rows to receipts: rows of one receipt are gathered until no more of them can be expected.

use std::collections::{HashMap, VecDeque};

use csv::StringRecord;
use serde_json::{Map, Value};

use super::bind::Sums;
use super::{Bound, Mapping};
use crate::item::Kind;

/// Rows of one receipt; a file that has more is wrongly mapped.
const MAX_ROWS: usize = 100_000;

/// One item made of rows.
#[derive(Debug, PartialEq)]
pub(crate) struct Gathered {
    /// The item's JSON text.
    pub body: Vec<u8>,
    /// Value of its key field.
    pub key: Option<String>,
    /// First and last line in the file.
    pub lines: (u64, u64),
}

/// Gathers rows. Items come out in the order of their last rows.
pub(crate) struct Gatherer {
    bound: Bound,
    kind: Kind,
    within_rows: u64,
    rows: u64,
    /// Looked up by the group's value, never iterated.
    open: HashMap<String, Receipt>,
    /// Each row that was added, oldest first, with its group.
    added: VecDeque<(u64, String)>,
}

struct Receipt {
    document: Map<String, Value>,
    lines: Vec<Value>,
    sums: Sums,
    first_line: u64,
    last_line: u64,
    last_row: u64,
}

impl Gatherer {
    /// For rows of a file whose header was bound to the mapping.
    pub fn new(mapping: &Mapping, bound: Bound) -> Self {
        let within_rows = mapping.group.as_ref().map_or(0, |group| group.within_rows);
        Gatherer { bound, kind: mapping.kind, within_rows, rows: 0, open: HashMap::new(), added: VecDeque::new() }
    }

    /// Takes the row at that line of the file and gives what is complete before it. The error says that a receipt has too many rows.
    pub fn take(&mut self, row: &StringRecord, line: u64) -> Result<Vec<Gathered>, String> {
        let Some(group) = self.bound.group(row) else {
            let receipt = self.start(row, line);
            return Ok(vec![self.finish(receipt)]);
        };
        let group = group.to_owned();
        self.rows += 1;
        let now = self.rows;
        if let Some(receipt) = self.open.get_mut(&group) {
            if receipt.lines.len() >= MAX_ROWS {
                return Err(format!(
                    "more than {MAX_ROWS} rows with the same value {group:?} in the column that groups them"
                ));
            }
            receipt.lines.extend(self.bound.line(row));
            self.bound.add(&mut receipt.sums, row);
            (receipt.last_line, receipt.last_row) = (line, now);
        } else {
            let mut receipt = self.start(row, line);
            receipt.last_row = now;
            self.open.insert(group.clone(), receipt);
        }
        self.added.push_back((now, group));
        Ok(self.complete(now.saturating_sub(self.within_rows)))
    }

    /// Gives what is left at the end of the file.
    pub fn end(&mut self) -> Vec<Gathered> {
        self.complete(u64::MAX)
    }

    /// Receipts whose last row came before the row with that number.
    fn complete(&mut self, before: u64) -> Vec<Gathered> {
        let mut complete = Vec::new();
        while let Some((row, group)) = self.added.pop_front_if(|(row, _)| *row < before) {
            if self.open.get(&group).is_some_and(|receipt| receipt.last_row == row)
                && let Some(receipt) = self.open.remove(&group)
            {
                complete.push(self.finish(receipt));
            }
        }
        complete
    }

    fn start(&self, row: &StringRecord, line: u64) -> Receipt {
        let mut sums = self.bound.no_sums();
        self.bound.add(&mut sums, row);
        Receipt {
            document: self.bound.document(row),
            lines: self.bound.line(row).into_iter().collect(),
            sums,
            first_line: line,
            last_line: line,
            last_row: 0,
        }
    }

    fn finish(&self, receipt: Receipt) -> Gathered {
        let Receipt { mut document, lines, sums, first_line, last_line, .. } = receipt;
        self.bound.put(sums, &mut document);
        let key = match document.get(self.kind.key_field()) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        if !lines.is_empty() {
            document.insert("items".to_owned(), Value::Array(lines));
        }
        Gathered { body: Value::Object(document).to_string().into_bytes(), key, lines: (first_line, last_line) }
    }
}
