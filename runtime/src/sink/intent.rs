//! What a sink writes into its group's offset metadata: what the store has, and which batch is on its way.

use super::Batch;
use crate::sources::LastSources;
use std::fmt;

/// The metadata beside a committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Epoch of the log the offsets are of.
    pub(crate) epoch: String,
    /// Highest offset the store has; `None` when it has nothing of this partition.
    pub(crate) stored: Option<i64>,
    /// Last sources of the records below the committed offset, by which a second copy of one is told.
    pub(crate) sources: LastSources,
    /// The batch that was about to be written; it begins at the committed offset.
    pub(crate) intent: Option<Intent>,
}

/// A batch that may or may not be in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intent {
    /// Offset of its last record.
    pub(super) last: i64,
    /// Its number of records.
    pub(super) rows: usize,
    /// Hash of its records' offsets and values.
    pub(super) checksum: u64,
}

impl Intent {
    pub(super) fn of(batch: &Batch) -> Self {
        Self { last: batch.last, rows: batch.records.len(), checksum: checksum(batch) }
    }
}

/// Tells whether the log still holds what it held.
fn checksum(batch: &Batch) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for record in &batch.records {
        let value = record.value.as_deref().unwrap_or_default();
        hasher.update(&record.offset.to_be_bytes()).update(&(value.len() as u64).to_be_bytes()).update(value);
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}

/// `v2 <epoch> <stored or -> <sources> [<last> <rows> <checksum>]`; well below the broker's 4,096 bytes. Version 1 had no sources.
impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v2 {} ", self.epoch)?;
        match self.stored {
            Some(stored) => write!(f, "{stored}")?,
            None => f.write_str("-")?,
        }
        write!(f, " {}", self.sources)?;
        match self.intent {
            Some(intent) => write!(f, " {} {} {:x}", intent.last, intent.rows, intent.checksum),
            None => Ok(()),
        }
    }
}

impl Marker {
    /// Reads the metadata of a committed offset; `None` when it is not a marker.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let (epoch, stored, sources, rest) = match words.as_slice() {
            ["v1", epoch, stored, rest @ ..] => (*epoch, *stored, LastSources::default(), rest),
            ["v2", epoch, stored, sources, rest @ ..] => (*epoch, *stored, LastSources::parse(sources)?, rest),
            _ => return None,
        };
        let intent = match rest {
            [] => None,
            [last, rows, checksum] => Some(Intent {
                last: last.parse().ok()?,
                rows: rows.parse().ok()?,
                checksum: u64::from_str_radix(checksum, 16).ok()?,
            }),
            _ => return None,
        };
        let stored = if stored == "-" { None } else { Some(stored.parse().ok()?) };
        Some(Self { epoch: epoch.to_owned(), stored, sources, intent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_marker_of_the_first_version_is_read() {
        let marker = Marker::parse("v1 epoch 41 49 8 ff").expect("a marker");
        assert_eq!((marker.stored, marker.sources), (Some(41), LastSources::default()));
        assert_eq!(marker.intent, Some(Intent { last: 49, rows: 8, checksum: 255 }));
    }

    proptest! {
        #[test]
        fn a_marker_reads_back(
            epoch in "[a-zA-Z0-9_.-]{1,40}",
            stored: Option<i64>,
            has_sources: bool,
            intent: Option<(i64, usize, u64)>,
        ) {
            let intent = intent.map(|(last, rows, checksum)| Intent { last, rows, checksum });
            let sources = if has_sources { "transactions:17:0,receipts:4:1" } else { "-" };
            let sources = LastSources::parse(sources).expect("sources");
            let marker = Marker { epoch, stored, sources, intent };
            prop_assert_eq!(Marker::parse(&marker.to_string()), Some(marker));
        }

        #[test]
        fn other_text_is_no_marker(text in "[^v].{0,40}") {
            prop_assert_eq!(Marker::parse(&text), None);
        }
    }
}
