//! Every answer beside its request, one line of JSON a request.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::item::{Item, Origin};

/// The file of answers.
pub(super) struct AnswersFile {
    path: PathBuf,
    with_items: bool,
    writer: Mutex<BufWriter<File>>,
}

/// A request and what came of it.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    /// Counts from 1; more when it was sent again.
    pub attempt: u32,
    /// Id the gateway gave the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    /// Null when no answer came.
    pub http_status: Option<u16>,
    pub latency_ms: f64,
    /// Why the request as a whole was not stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    pub items: Vec<EntryItem<'a>>,
}

/// An item of a request.
#[derive(Serialize)]
pub(super) struct EntryItem<'a> {
    #[serde(flatten)]
    pub origin: &'a Origin,
    /// As sent, when that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// The gateway's answer for it; null when there is none.
    pub answer: Option<&'a Value>,
}

impl AnswersFile {
    pub fn create(path: &Path, with_items: bool) -> io::Result<Self> {
        let writer = Mutex::new(BufWriter::new(File::create(path)?));
        Ok(AnswersFile { path: path.to_owned(), with_items, writer })
    }

    /// An item of an entry.
    pub fn item<'a>(&self, item: &'a Item, answer: Option<&'a Value>) -> EntryItem<'a> {
        let sent = self.with_items.then(|| String::from_utf8_lossy(&item.body).into_owned());
        EntryItem { origin: &item.origin, sent, answer }
    }

    /// Keeps an entry. The error names the file.
    pub fn keep(&self, entry: &Entry<'_>) -> Result<(), String> {
        let mut line = serde_json::to_vec(entry).map_err(|error| self.explain(&error.into()))?;
        line.push(b'\n');
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(&line).map_err(|error| self.explain(&error))
    }

    /// Writes out what is buffered.
    pub fn flush(&self) -> Result<(), String> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).flush().map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &io::Error) -> String {
        format!("cannot keep answers in {}: {error}", self.path.display())
    }
}
