//! What a sink writes into its group's offset metadata: what the store has, and which batch is on its way.

use super::Part;
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
    /// The batch that was about to be written; its piece of this partition begins at the committed offset.
    pub(crate) intent: Option<Intent>,
}

/// A batch that may or may not be in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    /// What it has of each partition, in the batch's order.
    pub(super) pieces: Vec<Piece>,
}

/// What a batch has of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) partition: i32,
    /// Offset of its first record,
    pub(super) first: i64,
    /// and of its last.
    pub(super) last: i64,
    /// Its number of records.
    pub(super) rows: usize,
    /// Hash of their offsets and values.
    pub(super) checksum: u64,
    /// Last sources of the records before it.
    pub(super) before: LastSources,
}

impl Intent {
    /// The piece of a partition.
    pub(super) fn piece(&self, partition: i32) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.partition == partition)
    }
}

impl Piece {
    pub(super) fn of(part: &Part, before: LastSources) -> Self {
        let Part { partition, first, last, ref records } = *part;
        Self { partition, first, last, rows: records.len(), checksum: checksum(part), before }
    }
}

/// Tells whether the log still holds what it held.
fn checksum(part: &Part) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for record in &part.records {
        let value = record.value.as_deref().unwrap_or_default();
        hasher.update(&record.offset.to_be_bytes()).update(&(value.len() as u64).to_be_bytes()).update(value);
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}

/// `v3 <epoch> <stored or -> <sources> [<partition>/<first>/<last>/<rows>/<checksum>/<sources before> ...]`; below the broker's 4,096
/// bytes with [`super::cut::PARTS_MAX`] pieces.
impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v3 {} ", self.epoch)?;
        match self.stored {
            Some(stored) => write!(f, "{stored}")?,
            None => f.write_str("-")?,
        }
        write!(f, " {}", self.sources)?;
        for piece in self.intent.iter().flat_map(|intent| &intent.pieces) {
            let Piece { partition, first, last, rows, checksum, before } = piece;
            write!(f, " {partition}/{first}/{last}/{rows}/{checksum:x}/{before}")?;
        }
        Ok(())
    }
}

impl Marker {
    /// Reads the metadata of a partition's committed offset; `None` when it is not a marker. Versions before the third had one piece, of
    /// that partition; the first had no sources.
    pub(crate) fn parse(text: &str, partition: i32, committed: i64) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let (epoch, stored, sources, rest) = match words.as_slice() {
            ["v1", epoch, stored, rest @ ..] => (*epoch, *stored, LastSources::default(), rest),
            ["v2" | "v3", epoch, stored, sources, rest @ ..] => (*epoch, *stored, LastSources::parse(sources)?, rest),
            _ => return None,
        };
        let pieces: Vec<Piece> = match rest {
            [last, rows, checksum] if words[0] != "v3" => vec![Piece {
                partition,
                first: committed,
                last: last.parse().ok()?,
                rows: rows.parse().ok()?,
                checksum: u64::from_str_radix(checksum, 16).ok()?,
                before: sources.clone(),
            }],
            pieces => pieces.iter().map(|text| piece(text)).collect::<Option<_>>()?,
        };
        let intent = Some(Intent { pieces }).filter(|intent| !intent.pieces.is_empty());
        if intent.as_ref().is_some_and(|intent| intent.piece(partition).is_none_or(|piece| piece.first != committed)) {
            return None;
        }
        let stored = if stored == "-" { None } else { Some(stored.parse().ok()?) };
        Some(Self { epoch: epoch.to_owned(), stored, sources, intent })
    }
}

fn piece(text: &str) -> Option<Piece> {
    let [partition, first, last, rows, checksum, before] = text.split('/').collect::<Vec<_>>().try_into().ok()?;
    Some(Piece {
        partition: partition.parse().ok()?,
        first: first.parse().ok()?,
        last: last.parse().ok()?,
        rows: rows.parse().ok()?,
        checksum: u64::from_str_radix(checksum, 16).ok()?,
        before: LastSources::parse(before)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::cut::PARTS_MAX;
    use millrace_schemas::Topic;
    use proptest::prelude::*;

    #[test]
    fn markers_of_earlier_versions_are_read() {
        let marker = Marker::parse("v1 epoch 41 49 8 ff", 3, 42).expect("a marker");
        let before = LastSources::default();
        let piece = Piece { partition: 3, first: 42, last: 49, rows: 8, checksum: 255, before };
        assert_eq!((marker.stored, marker.sources), (Some(41), LastSources::default()));
        assert_eq!(marker.intent, Some(Intent { pieces: vec![piece.clone()] }));
        let marker = Marker::parse("v2 epoch 41 receipts:4:1 49 8 ff", 3, 42).expect("a marker");
        let before = LastSources::parse("receipts:4:1").expect("sources");
        assert_eq!(marker.intent, Some(Intent { pieces: vec![Piece { before, ..piece }] }));
    }

    #[test]
    fn the_largest_marker_is_one_that_a_broker_takes() {
        let journals = [Topic::Transactions, Topic::Receipts, Topic::Labels];
        let sources: Vec<String> = journals.iter().map(|it| format!("{}:{}:9", it.name(), i64::MAX / 1_000)).collect();
        let sources = LastSources::parse(&sources.join(",")).expect("sources");
        let piece = |partition| Piece {
            partition,
            first: i64::MAX / 1_000,
            last: i64::MAX / 1_000,
            rows: 50_000,
            checksum: u64::MAX,
            before: sources.clone(),
        };
        let intent = Some(Intent { pieces: (10_000..).take(PARTS_MAX).map(piece).collect() });
        let marker = Marker { epoch: "e".repeat(60), stored: Some(i64::MAX), sources: sources.clone(), intent };
        assert!(marker.to_string().len() < 4_096, "{}", marker.to_string().len());
    }

    proptest! {
        #[test]
        fn a_marker_reads_back(
            epoch in "[a-zA-Z0-9_.-]{1,40}",
            stored: Option<i64>,
            has_sources: bool,
            pieces in proptest::collection::vec((0i32.., 0i64.., 0i64.., 0usize.., any::<u64>()), 0..5),
        ) {
            let sources = if has_sources { "transactions:17:0,receipts:4:1" } else { "-" };
            let sources = LastSources::parse(sources).expect("sources");
            let before = sources.clone();
            let pieces: Vec<Piece> = pieces.into_iter().map(|(partition, first, last, rows, checksum)| {
                Piece { partition, first, last, rows, checksum, before: before.clone() }
            }).collect();
            let (partition, committed) = pieces.first().map_or((0, 0), |piece| (piece.partition, piece.first));
            let intent = Some(Intent { pieces }).filter(|intent| !intent.pieces.is_empty());
            let marker = Marker { epoch, stored, sources, intent };
            prop_assert_eq!(Marker::parse(&marker.to_string(), partition, committed), Some(marker));
        }

        #[test]
        fn other_text_is_no_marker(text in "[^v].{0,40}") {
            prop_assert_eq!(Marker::parse(&text, 0, 0), None);
        }
    }
}
