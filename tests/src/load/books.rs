//! The clients' books: a line for everything sent and everything answered, written before the answer is believed.
//!
//! Fields are separated by tabs. `S number batch kind class owner id currency amounts time` was sent: kind is `t` or `r`, amounts
//! and time are integers as in the log, or `-`. `A number status partition offset` is acknowledged, `R number status` is refused for
//! good, and `U number status` is an answer that no such item should get. `W number source decision score` is what a client was told that
//! waited.

use super::items::{Class, Item, Kind};
use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The books of all clients over HTTP. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Books {
    file: Arc<Mutex<BufWriter<File>>>,
    items: Arc<AtomicU64>,
    batches: Arc<AtomicU64>,
}

/// What an answer says of an item, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Final<'a> {
    /// Stored, there.
    Acknowledged {
        /// The word of the answer.
        status: &'a str,
        /// Partition of the journal.
        partition: i32,
        /// Offset in it.
        offset: i64,
        /// Of whoever waited.
        told: Option<Told<'a>>,
    },
    /// Refused, as it should be.
    Refused(&'a str),
    /// Something that should not be said of it.
    Unexpected(&'a str),
}

/// What a client was told of a transaction whose score it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told<'a> {
    /// What decided.
    pub source: &'a str,
    /// What was decided.
    pub decision: &'a str,
    /// The score.
    pub scoring: &'a serde_json::Number,
}

impl Books {
    /// New books in a file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = Arc::new(Mutex::new(BufWriter::with_capacity(1 << 16, File::create(path)?)));
        Ok(Self { file, items: Arc::default(), batches: Arc::default() })
    }

    /// Enters what is about to be sent; the number of the first item, the others follow.
    pub fn send(&self, items: &[Item]) -> u64 {
        let first = self.items.fetch_add(items.len() as u64, Ordering::Relaxed);
        let batch = self.batches.fetch_add(1, Ordering::Relaxed);
        let mut lines = String::new();
        for (number, item) in (first..).zip(items) {
            let kind = match item.kind {
                Kind::Transaction => 't',
                Kind::Receipt => 'r',
            };
            let class = match item.class {
                Class::New => "new",
                Class::Again => "again",
                Class::Conflict => "conflict",
                Class::Invalid => "invalid",
            };
            let amounts: Vec<String> = item.amounts.iter().map(i64::to_string).collect();
            let at = item.occurred_at.map_or("-".to_owned(), |at| at.to_string());
            lines += &format!(
                "S\t{number}\t{batch}\t{kind}\t{class}\t{}\t{}\t{}\t{}\t{at}\n",
                item.owner,
                item.id,
                item.currency,
                amounts.join(",")
            );
        }
        self.write(&lines);
        first
    }

    /// Enters what an answer says; in the file when this returns.
    pub fn answered(&self, finals: &[(u64, Final<'_>)]) {
        let mut lines = String::new();
        for (number, said) in finals {
            lines += &match said {
                Final::Acknowledged { status, partition, offset, told } => {
                    let told = told.map(|Told { source, decision, scoring }| {
                        format!("W\t{number}\t{source}\t{decision}\t{scoring}\n")
                    });
                    format!("A\t{number}\t{status}\t{partition}\t{offset}\n{}", told.unwrap_or_default())
                }
                Final::Refused(status) => format!("R\t{number}\t{status}\n"),
                Final::Unexpected(status) => format!("U\t{number}\t{status}\n"),
            };
        }
        self.write(&lines);
    }

    /// Items sent so far.
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    fn write(&self, lines: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(lines.as_bytes()).and_then(|()| file.flush()).expect("the books can be written");
    }
}
