//! Files to items, as a stream: at most one item, or the rows of the receipts still being gathered, is in memory.

mod csv;
mod json;
mod ndjson;
mod source;
mod xml;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::item::{Item, Kind, Origin, Wire};
use crate::mapping::{Mapping, MappingError};
use source::Source;

/// Largest item that is read; a larger one ends the reading of its file.
pub const MAX_ITEM_BYTES: u64 = 16 * 1024 * 1024;

/// Format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON object, several after one another, or one array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// `<transaction>`, `<transactions>`, `<receipt>` or `<receipts>`.
    Xml,
    /// Rows under a header, turned into items by a mapping.
    Csv,
}

impl Format {
    /// Format by the file's name, ignoring a final `.gz` or `.zst`.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "json" => Some(Format::Json),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            "xml" => Some(Format::Xml),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }
}

/// A file to read and how.
#[derive(Debug, Clone)]
pub struct Input {
    /// File; `-` is standard input.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// What it holds.
    pub kind: Kind,
    /// How rows become items; needed for CSV.
    pub mapping: Option<Arc<Mapping>>,
}

/// Why reading a file ended before its end. Items read before that stand.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {file}, near line {line}: {source}")]
    Io {
        /// File.
        file: Arc<str>,
        /// Line reached, from 1.
        line: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not what its format promises.
    #[error("{file}, line {line}: {message}")]
    Malformed {
        /// File.
        file: Arc<str>,
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// The mapping does not fit the file.
    #[error("{file}: {source}")]
    Mapping {
        /// File.
        file: Arc<str>,
        /// What does not fit.
        source: MappingError,
    },
}

/// Takes the items of a file, one by one; `Break` ends the reading.
pub type Sink<'a> = dyn FnMut(Item) -> ControlFlow<()> + 'a;

impl Input {
    /// How the items of this file are written on the wire.
    pub fn wire(&self) -> Wire {
        match self.format {
            Format::Json => Wire::Json,
            Format::Ndjson | Format::Csv => Wire::Ndjson,
            Format::Xml => Wire::Xml,
        }
    }

    /// Reads the file and gives each item to the sink. Adds the bytes taken from the file (compressed, when it is) to `progress`.
    ///
    /// Blocks: call it on a thread of its own.
    pub fn read(&self, progress: &Arc<AtomicU64>, sink: &mut Sink<'_>) -> Result<(), ReadError> {
        let source = Source::open(&self.path, Arc::clone(progress))?;
        match (self.format, &self.mapping) {
            (Format::Json, _) => json::read(source, self.kind, sink),
            (Format::Ndjson, _) => ndjson::read(source, self.kind, sink),
            (Format::Xml, _) => xml::read(source, self.kind, sink),
            (Format::Csv, Some(mapping)) => csv::read(source, mapping, sink),
            (Format::Csv, None) => {
                Err(ReadError::Mapping { file: source.cursor().file(), source: MappingError::Missing })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// Reads a file of that name and content to its end.
    pub(super) fn read_all(
        name: &str,
        content: &[u8],
        kind: Kind,
        mapping: Option<Mapping>,
    ) -> (Vec<Item>, Result<(), ReadError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let format = Format::of(&path).unwrap();
        let input = Input { path, format, kind, mapping: mapping.map(Arc::new) };
        let mut items = Vec::new();
        let result = input.read(&Arc::default(), &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        });
        (items, result)
    }

    /// The bodies of items, as text.
    pub(super) fn bodies(items: &[Item]) -> Vec<&str> {
        items.iter().map(|item| std::str::from_utf8(&item.body).unwrap()).collect()
    }

    #[test]
    fn the_format_is_known_by_the_name() {
        for (name, format) in [
            ("a.json", Some(Format::Json)),
            ("a.b.NDJSON", Some(Format::Ndjson)),
            ("a.jsonl.zst", Some(Format::Ndjson)),
            ("dir.csv/a.xml", Some(Format::Xml)),
            ("a.csv.gz", Some(Format::Csv)),
            ("a.txt", None),
            ("csv", None),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn compressed_files_are_read_and_their_compressed_bytes_counted() {
        let text = "{\"place_id\":\"p\"}\n".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        for (name, content) in
            [("a.ndjson.gz", gzip.finish().unwrap()), ("a.ndjson.zst", zstd::encode_all(text.as_bytes(), 1).unwrap())]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            std::fs::write(&path, &content).unwrap();
            let input = Input { path, format: Format::Ndjson, kind: Kind::Receipts, mapping: None };
            let (progress, mut count) = (Arc::<AtomicU64>::default(), 0);
            input
                .read(&progress, &mut |_| {
                    count += 1;
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(count, 1000, "{name}");
            assert_eq!(progress.load(std::sync::atomic::Ordering::Relaxed), content.len() as u64, "{name}");
        }
    }

    #[test]
    fn a_sink_that_breaks_ends_the_reading() {
        for (name, content) in [
            ("a.ndjson", "{}\n{}\n{}\n"),
            ("a.json", "[{},{},{}]"),
            ("b.json", "{}{}{}"),
            ("a.xml", "<receipts><receipt/><receipt/><receipt/></receipts>"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            let input = Input { format: Format::of(&path).unwrap(), path, kind: Kind::Receipts, mapping: None };
            let mut count = 0;
            input
                .read(&Arc::default(), &mut |_| {
                    count += 1;
                    if count == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .unwrap();
            assert_eq!(count, 2, "{name}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let input =
            Input { path: "no-such-file.json".into(), format: Format::Json, kind: Kind::Receipts, mapping: None };
        let error = input.read(&Arc::default(), &mut |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().contains("no-such-file.json"), "{error}");
    }
}
