//! What a processor writes beside its committed offsets: by what is compared at the next start, the log is still the one that the
//! offsets are of.

use crate::{Record, RuntimeError};
use rdkafka::{Offset, topic_partition_list::TopicPartitionListElem};
use std::fmt;

/// The metadata beside a committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Epoch of the log the offset is of.
    pub(crate) epoch: String,
    /// Partitions the journal had.
    pub(crate) partitions: i32,
    /// Broker's time of the last input committed, epoch milliseconds: what came of later ones was written after it.
    pub(crate) time: i64,
    /// Offset of the last input that has an output.
    pub(crate) emitted: Option<i64>,
}

/// `v1 <epoch> <partitions> <time> <emitted or ->`.
impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v1 {} {} {} ", self.epoch, self.partitions, self.time)?;
        match self.emitted {
            Some(offset) => write!(f, "{offset}"),
            None => f.write_str("-"),
        }
    }
}

impl Marker {
    /// Reads the metadata of a committed offset; `None` when it is not a marker.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let ["v1", epoch, partitions, time, emitted] = words.as_slice() else { return None };
        Some(Self {
            epoch: (*epoch).to_owned(),
            partitions: partitions.parse().ok()?,
            time: time.parse().ok()?,
            emitted: if *emitted == "-" { None } else { Some(emitted.parse().ok()?) },
        })
    }
}

/// What a group has committed of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) partition: i32,
    /// The next offset to read; `None` when nothing was ever committed, or the broker has forgotten it.
    pub(crate) offset: Option<i64>,
    /// `None` when the offset was set by other means than a processor.
    pub(crate) marker: Option<Marker>,
}

impl Committed {
    pub(crate) fn of(element: &TopicPartitionListElem<'_>) -> Self {
        let offset = match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        Self { partition: element.partition(), offset, marker: Marker::parse(element.metadata()) }
    }

    /// Refuses an offset of another log, or of a journal with another number of partitions.
    pub(crate) fn check(&self, journal: &str, epoch: &str, partitions: i32) -> Result<(), RuntimeError> {
        let Some(marker) = &self.marker else { return Ok(()) };
        if marker.epoch != epoch {
            return Err(RuntimeError::Fatal(format!(
                "the group's offset of {journal} partition {} is of another log ({}) than this one ({epoch}); set kafka.topic_prefix \
                 to a name that was not used on this cluster, or restore the topics that the offsets are of",
                self.partition, marker.epoch
            )));
        }
        if marker.partitions != partitions {
            return Err(RuntimeError::Fatal(format!(
                "{journal} had {} partitions when its offsets were committed and has {partitions} now: keys have moved to other \
                 partitions than what is remembered of them; partition counts are fixed at creation, so make the topics anew under \
                 another kafka.topic_prefix and copy the journals into them",
                marker.partitions
            )));
        }
        Ok(())
    }
}

/// The last input of a transaction, as its marker tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) offset: i64,
    pub(super) time: i64,
    pub(super) emitted: Option<i64>,
}

impl Last {
    pub(super) fn of(record: &Record, emitted: Option<i64>) -> Self {
        Self { offset: record.offset, time: record.timestamp, emitted }
    }

    /// What was last committed of a partition, by a processor.
    pub(super) fn committed(committed: &Committed) -> Option<Self> {
        let (offset, marker) = (committed.offset?, committed.marker.as_ref()?);
        Some(Self { offset: offset - 1, time: marker.time, emitted: marker.emitted })
    }

    pub(super) fn marker(&self, epoch: &str, partitions: i32) -> Marker {
        Marker { epoch: epoch.to_owned(), partitions, time: self.time, emitted: self.emitted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_marker_reads_back(epoch in "[a-zA-Z0-9_.-]{1,40}", partitions: i32, time: i64, emitted: Option<i64>) {
            let marker = Marker { epoch, partitions, time, emitted };
            prop_assert_eq!(Marker::parse(&marker.to_string()), Some(marker));
        }

        #[test]
        fn other_text_is_no_marker(text in "[^v].{0,40}") {
            prop_assert_eq!(Marker::parse(&text), None);
        }
    }
}
