//! Files of transactions and of labels, as the gateway takes them, one JSON object a line, in the order of time.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

const DAY_MS: i64 = 86_400_000;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    File {
        /// File.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("{path}, line {line}: {reason}", path = path.display())]
    Line {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

/// A transaction to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction {
    /// Customer.
    pub customer_id: String,
    /// Business id.
    pub transaction_id: String,
    /// The JSON object.
    pub line: String,
}

#[derive(Deserialize)]
struct TransactionFields {
    customer_id: String,
    transaction_id: String,
    #[serde(deserialize_with = "instant")]
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct LabelFields {
    customer_id: String,
    transaction_id: String,
    label: String,
    #[serde(deserialize_with = "instant")]
    decided_at: Timestamp,
}

fn instant<'de, D: Deserializer<'de>>(text: D) -> Result<Timestamp, D::Error> {
    String::deserialize(text)?.parse().map_err(de::Error::custom)
}

/// The lines of a file, with their numbers.
struct Lines {
    path: PathBuf,
    lines: io::Lines<BufReader<File>>,
    number: u64,
    /// Time of the last line, epoch milliseconds.
    last: i64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| ReadError::File { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), lines: BufReader::new(file).lines(), number: 0, last: i64::MIN })
    }

    fn next(&mut self) -> Result<Option<String>, ReadError> {
        loop {
            let Some(line) = self.lines.next() else { return Ok(None) };
            self.number += 1;
            let line = line.map_err(|source| ReadError::File { path: self.path.clone(), source })?;
            if !line.trim().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    fn parsed<T: for<'l> Deserialize<'l>>(&self, line: &str) -> Result<T, ReadError> {
        serde_json::from_str(line).map_err(|error| self.wrong(error.to_string()))
    }

    fn wrong(&self, reason: String) -> ReadError {
        ReadError::Line { path: self.path.clone(), line: self.number, reason }
    }

    /// Refuses a line that lies before the one before it; the day of its time.
    fn in_order(&mut self, at: Timestamp) -> Result<i32, ReadError> {
        let at = at.as_millisecond();
        if at < self.last {
            return Err(self.wrong("it is earlier than the line before; sort the file by time".into()));
        }
        self.last = at;
        i32::try_from(at.div_euclid(DAY_MS)).map_err(|_| self.wrong("no day has such a time".into()))
    }
}

/// Transactions, day by day.
pub struct Transactions {
    lines: Lines,
    next: Option<(i32, Transaction)>,
}

impl Transactions {
    /// Begins to read a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let mut opened = Self { lines: Lines::open(path)?, next: None };
        opened.next = opened.read()?;
        Ok(opened)
    }

    /// The first day, when there is one.
    pub fn first_day(&self) -> Option<i32> {
        self.next.as_ref().map(|(day, _)| *day)
    }

    /// The transactions of the next day that has any.
    ///
    /// # Errors
    /// When a line is not a transaction, or earlier than the one before.
    pub fn next_day(&mut self) -> Result<Option<(i32, Vec<Transaction>)>, ReadError> {
        let Some((day, first)) = self.next.take() else { return Ok(None) };
        let mut of_day = vec![first];
        loop {
            match self.read()? {
                Some((next, transaction)) if next == day => of_day.push(transaction),
                next => {
                    self.next = next;
                    return Ok(Some((day, of_day)));
                }
            }
        }
    }

    fn read(&mut self) -> Result<Option<(i32, Transaction)>, ReadError> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let TransactionFields { customer_id, transaction_id, timestamp } = self.lines.parsed(&line)?;
        let day = self.lines.in_order(timestamp)?;
        Ok(Some((day, Transaction { customer_id, transaction_id, line })))
    }
}

/// Labels, in the order in which they are told, and what they say in the end.
pub struct Labels {
    lines: Lines,
    next: Option<(i32, String)>,
    /// Of each transaction that was ever said to be fraud, the last word by the time of the decision: that time, and whether it is.
    last: HashMap<(String, String), (Timestamp, bool)>,
}

impl Labels {
    /// Reads a file through, and begins to read it again.
    ///
    /// # Errors
    /// When it cannot be read, or a line is not a label or told before the one before.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let mut opened = Self { lines: Lines::open(path)?, next: None, last: HashMap::new() };
        while let Some(line) = opened.lines.next()? {
            let label: LabelFields = opened.lines.parsed(&line)?;
            opened.lines.in_order(label.decided_at)?;
            let is_fraud = matches!(label.label.as_str(), "fraud" | "chargeback");
            let id = (label.customer_id, label.transaction_id);
            // Lines are in the order of time, so the last one is the last word.
            if is_fraud || opened.last.contains_key(&id) {
                opened.last.insert(id, (label.decided_at, is_fraud));
            }
        }
        opened.lines = Lines::open(path)?;
        opened.next = opened.read()?;
        Ok(opened)
    }

    /// The labels that were told before a day and not given yet, as lines.
    ///
    /// # Errors
    /// When the file has changed meanwhile.
    pub fn before(&mut self, day: i32) -> Result<Vec<String>, ReadError> {
        let mut told = Vec::new();
        while let Some((_, line)) = self.next.take_if(|(next, _)| *next < day) {
            told.push(line);
            self.next = self.read()?;
        }
        Ok(told)
    }

    /// What a transaction turned out to be. One without a label is no fraud.
    pub fn is_fraud(&self, transaction: &Transaction) -> bool {
        let id = (transaction.customer_id.clone(), transaction.transaction_id.clone());
        self.last.get(&id).is_some_and(|(_, is_fraud)| *is_fraud)
    }

    fn read(&mut self) -> Result<Option<(i32, String)>, ReadError> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let label: LabelFields = self.lines.parsed(&line)?;
        Ok(Some((self.lines.in_order(label.decided_at)?, line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lines: &[String]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), lines.join("\n")).expect("written");
        file
    }

    fn transaction(id: &str, at: &str) -> String {
        format!(r#"{{"customer_id": "c", "transaction_id": "{id}", "timestamp": "{at}", "amount": 1}}"#)
    }

    fn label(id: &str, label: &str, at: &str) -> String {
        format!(r#"{{"customer_id": "c", "transaction_id": "{id}", "label": "{label}", "decided_at": "{at}"}}"#)
    }

    #[test]
    fn days_come_one_after_another_and_labels_when_they_are_told() {
        let transactions = file(&[
            transaction("1", "2018-04-01T23:59:59Z"),
            transaction("2", "2018-04-02T00:00:00Z"),
            String::new(),
            transaction("3", "2018-04-05T12:00:00Z"),
        ]);
        let mut transactions = Transactions::open(transactions.path()).expect("valid");
        let first = transactions.first_day().expect("a day");
        let mut days = Vec::new();
        while let Some((day, of_day)) = transactions.next_day().expect("valid") {
            days.push((day - first, of_day.iter().map(|it| it.transaction_id.clone()).collect::<String>()));
        }
        assert_eq!(days, [(0, "1".to_owned()), (1, "2".to_owned()), (4, "3".to_owned())]);

        let told = [
            label("1", "fraud", "2018-04-03T10:00:00Z"),
            label("2", "legitimate", "2018-04-03T11:00:00Z"),
            label("1", "legitimate", "2018-04-04T00:00:00Z"),
            label("3", "chargeback", "2018-04-09T00:00:00Z"),
        ];
        let told_file = file(&told);
        let mut labels = Labels::open(told_file.path()).expect("valid");
        assert_eq!(labels.before(first + 2).expect("valid"), Vec::<String>::new());
        assert_eq!(labels.before(first + 3).expect("valid"), told[..2]);
        assert_eq!(labels.before(first + 9).expect("valid"), told[2..]);
        let of = |id: &str| Transaction { customer_id: "c".into(), transaction_id: id.into(), line: String::new() };
        assert_eq!(["1", "2", "3", "4"].map(|id| labels.is_fraud(&of(id))), [false, false, true, false]);
    }

    #[test]
    fn what_is_out_of_order_or_no_transaction_is_named_with_its_line() {
        let unsorted = file(&[transaction("1", "2018-04-02T00:00:00Z"), transaction("2", "2018-04-01T00:00:00Z")]);
        let mut transactions = Transactions::open(unsorted.path()).expect("the first is valid");
        let error = transactions.next_day().expect_err("refused").to_string();
        assert!(error.ends_with("line 2: it is earlier than the line before; sort the file by time"), "{error}");
        let broken = file(&["{}".to_owned()]);
        let error = Labels::open(broken.path()).err().expect("refused").to_string();
        assert!(error.contains("line 1: missing field `customer_id`"), "{error}");
    }
}
