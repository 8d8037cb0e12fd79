//! The bytes of a file: decompressed, with lines counted and the size of an item bounded.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{MAX_ITEM_BYTES, Origin, ReadError};

/// Where a reader has come to. Shared between a [`Source`] and the parser that has taken it over.
#[derive(Clone)]
pub(super) struct Cursor {
    file: Arc<str>,
    newlines: Rc<Cell<u64>>,
    since_item: Rc<Cell<u64>>,
}

impl Cursor {
    /// Line reached, from 1.
    pub fn line(&self) -> u64 {
        self.newlines.get() + 1
    }

    /// File as named by the caller.
    pub fn file(&self) -> Arc<str> {
        Arc::clone(&self.file)
    }

    /// Says that an item has ended, so that the next may be as large again.
    pub fn item_ended(&self) {
        self.since_item.set(0);
    }

    /// Origin of an item of these lines.
    pub fn origin(&self, first: u64, last: u64) -> Origin {
        Origin { file: Arc::clone(&self.file), lines: (first, last) }
    }

    /// The text at this line is wrong.
    pub fn malformed(&self, line: u64, message: impl ToString) -> ReadError {
        ReadError::Malformed { file: Arc::clone(&self.file), line, message: message.to_string() }
    }

    /// Reading failed here.
    pub fn io(&self, source: io::Error) -> ReadError {
        ReadError::Io { file: Arc::clone(&self.file), line: self.line(), source }
    }
}

/// Buffered, decompressed bytes of one file. Reading fails once [`MAX_ITEM_BYTES`] have passed since [`Cursor::item_ended`].
pub(super) struct Source {
    inner: Box<dyn BufRead>,
    cursor: Cursor,
}

impl Source {
    /// Opens a file, or standard input for `-`. Compression goes by the name's ending.
    pub fn open(path: &Path, progress: Arc<AtomicU64>) -> Result<Self, ReadError> {
        let file: Arc<str> = path.to_string_lossy().into();
        let cursor = Cursor { file, newlines: Rc::default(), since_item: Rc::default() };
        let inner = open_buffered(path, progress).map_err(|error| cursor.io(error))?;
        Ok(Source { inner, cursor })
    }

    /// A handle that keeps telling the position while a parser owns the source.
    pub fn cursor(&self) -> Cursor {
        self.cursor.clone()
    }
}

fn open_buffered(path: &Path, progress: Arc<AtomicU64>) -> io::Result<Box<dyn BufRead>> {
    let raw: Box<dyn Read> = if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let raw = BufReader::with_capacity(64 * 1024, Counted { inner: raw, bytes: progress });
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Box::new(BufReader::with_capacity(64 * 1024, flate2::bufread::MultiGzDecoder::new(raw))),
        Some("zst") => Box::new(BufReader::with_capacity(64 * 1024, zstd::Decoder::with_buffer(raw)?)),
        _ => Box::new(raw),
    })
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.cursor.since_item.get() > MAX_ITEM_BYTES {
            return Err(io::Error::other(format!("an item is larger than {MAX_ITEM_BYTES} bytes")));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // What is consumed was filled before, so this asks the system for nothing.
        if let Ok(buffer) = self.inner.fill_buf() {
            let newlines = buffer[..amount.min(buffer.len())].iter().filter(|byte| **byte == b'\n').count() as u64;
            self.cursor.newlines.set(self.cursor.newlines.get() + newlines);
        }
        self.cursor.since_item.set(self.cursor.since_item.get() + amount as u64);
        self.inner.consume(amount);
    }
}

impl Read for Source {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let amount = available.len().min(target.len());
        target[..amount].copy_from_slice(&available[..amount]);
        self.consume(amount);
        Ok(amount)
    }
}

/// Counts the bytes read from a file.
struct Counted<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let amount = self.inner.read(target)?;
        self.bytes.fetch_add(amount as u64, Ordering::Relaxed);
        Ok(amount)
    }
}
