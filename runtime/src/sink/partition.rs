//! One partition of a sink: what was read and not written yet. Pure, but for the handle of the write under way.

use super::{
    Batch,
    intent::{Intent, Marker},
};
use crate::{Record, RuntimeError, sources::LastSources};
use millrace_schemas::Topic;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// When a batch is ready.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) records: usize,
    pub(super) bytes: usize,
    pub(super) age: Duration,
}

/// Where a partition begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    stored: Option<i64>,
    sources: LastSources,
    intent: Option<Intent>,
}

impl Start {
    /// Compares what the group says with what the store has. They must agree, or a row would be lost or doubled.
    pub(super) fn check(
        epoch: &str,
        committed: Option<i64>,
        metadata: &str,
        in_store: Option<i64>,
    ) -> Result<Self, String> {
        let Some(committed) = committed else {
            return match in_store {
                None => Ok(Self { stored: None, sources: LastSources::default(), intent: None }),
                Some(offset) => Err(format!(
                    "the store has rows up to offset {offset} but the consumer group has no offset: it was deleted, or the topic was \
                     made anew; rebuild the projection, or restore the group's offsets with their metadata"
                )),
            };
        };
        let marker = Marker::parse(metadata).ok_or_else(|| {
            format!(
                "the committed offset {committed} has no marker of a projector beside it: it was set by other means, so rows would be \
                 lost or doubled; rebuild the projection, or restore the group's offsets with their metadata"
            )
        })?;
        if marker.epoch != epoch {
            return Err(format!(
                "the store was filled from another log ({}) than this one ({epoch}); rebuild it",
                marker.epoch
            ));
        }
        let stored_or_intended = match marker.intent {
            None => in_store == marker.stored,
            Some(intent) => {
                in_store == marker.stored || in_store.is_some_and(|o| (committed..=intent.last).contains(&o))
            }
        };
        if !stored_or_intended {
            let (store, group) = (shown(in_store), shown(marker.stored));
            return Err(format!(
                "the store's last offset is {store} but the consumer group says {group}; rebuild the projection"
            ));
        }
        Ok(Self { stored: marker.stored, sources: marker.sources, intent: marker.intent })
    }
}

fn shown(offset: Option<i64>) -> String {
    offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string())
}

/// A batch, and what its marker says of the records around it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cut {
    pub(super) batch: Batch,
    /// Last sources before the batch,
    pub(super) before: LastSources,
    /// and after it.
    pub(super) after: LastSources,
    /// Records between first and last that are left out, since their sources were seen before.
    pub(super) left_out: usize,
}

/// What was read of a partition and is not in the store.
pub(super) struct Partition {
    pending: Vec<Record>,
    bytes: usize,
    since: Option<Instant>,
    /// A batch that an earlier process was writing: it must be written again exactly.
    unresolved: Option<Intent>,
    /// Last sources of the records before the pending ones.
    sources: LastSources,
    /// First offset that is not to be written yet.
    pub(super) until: Option<i64>,
    /// Highest offset the store has.
    pub(super) stored: Option<i64>,
    /// The write under way; gives the highest offset stored.
    pub(super) writing: Option<JoinHandle<Result<Option<i64>, RuntimeError>>>,
    writing_since: Option<i64>,
    /// Whether its fetching is paused because too much is pending.
    pub(super) paused: bool,
}

impl Partition {
    pub(super) fn new(start: Start) -> Self {
        Self {
            pending: Vec::new(),
            bytes: 0,
            since: None,
            unresolved: start.intent,
            sources: start.sources,
            until: None,
            stored: start.stored,
            writing: None,
            writing_since: None,
            paused: false,
        }
    }

    /// Adds the next record.
    pub(super) fn take(&mut self, record: Record) -> Result<(), String> {
        if let Some(last) = self.pending.last().map(|record| record.offset).or(self.stored)
            && record.offset <= last
        {
            return Err(format!("offset {} comes after {last}", record.offset));
        }
        self.bytes += record.size();
        self.since.get_or_insert_with(Instant::now);
        self.pending.push(record);
        Ok(())
    }

    /// Whether no more should be fetched.
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.unresolved.is_none() && (self.pending.len() >= 2 * limits.records || self.bytes >= 2 * limits.bytes)
    }

    /// Whether fetching should not begin again yet.
    pub(super) fn is_half_full(&self, limits: &Limits) -> bool {
        self.pending.len() >= limits.records || self.bytes >= limits.bytes
    }

    /// The next batch, when it is ready: the one an earlier process left unresolved first, with exactly its records. Second copies
    /// that a torn transaction left are no part of it, though its offsets may begin or end with one.
    pub(super) fn batch(&mut self, (topic, partition): (Topic, i32), epoch: &str, limits: &Limits) -> Option<Cut> {
        let count = match self.unresolved {
            Some(intent) => {
                self.pending.last().filter(|record| record.offset >= intent.last)?;
                self.pending.partition_point(|record| record.offset <= intent.last)
            }
            None => self.ready(limits)?,
        };
        let rest = self.pending.split_off(count);
        let mut records = std::mem::replace(&mut self.pending, rest);
        self.bytes = self.pending.iter().map(Record::size).sum();
        self.since = (!self.pending.is_empty()).then(Instant::now);
        let (first, last) = (records.first()?.offset, records.last()?.offset);
        self.writing_since = records.first().map(|record| record.timestamp);
        let (before, count) = (self.sources.clone(), records.len());
        records.retain(|record| self.sources.take(record));
        let left_out = count - records.len();
        let batch = Batch { topic, partition, epoch: epoch.to_owned(), first, last, records };
        Some(Cut { batch, before, after: self.sources.clone(), left_out })
    }

    /// How many records make a batch now.
    fn ready(&self, limits: &Limits) -> Option<usize> {
        let old_enough = self.since.is_some_and(|since| since.elapsed() >= limits.age);
        let released = self.released();
        if released == 0 || !(old_enough || self.pending.len() >= limits.records || self.bytes >= limits.bytes) {
            return None;
        }
        let mut bytes = 0;
        let within = self.pending.iter().take(limits.records.min(released)).take_while(|record| {
            bytes += record.size();
            bytes <= limits.bytes
        });
        Some(within.count().max(1))
    }

    /// How many of the pending records may be written.
    fn released(&self) -> usize {
        self.until.map_or(self.pending.len(), |until| self.pending.partition_point(|record| record.offset < until))
    }

    /// The intent that the first batch has to match, once.
    pub(super) fn resolve(&mut self) -> Option<Intent> {
        self.unresolved.take()
    }

    /// Timestamp of the oldest record that is not in the store and may be.
    pub(super) fn oldest(&self) -> Option<i64> {
        let writing = self.writing.as_ref().and(self.writing_since);
        writing.or_else(|| self.pending.first().filter(|_| self.released() > 0).map(|record| record.timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Headers;

    const KEY: (Topic, i32) = (Topic::Purchases, 0);

    fn record(offset: i64) -> Record {
        let headers = Headers::new();
        Record { topic: KEY.0, partition: KEY.1, offset, timestamp: offset, key: None, value: None, headers }
    }

    fn offsets(cut: Option<Cut>) -> Option<(i64, i64)> {
        cut.map(|cut| (cut.batch.first, cut.batch.last))
    }

    #[test]
    fn records_beyond_where_a_sink_stops_wait_and_are_no_work() {
        let limits = Limits { records: 100, bytes: 1 << 20, age: Duration::ZERO };
        let start = Start::check("epoch", None, "", None).expect("nothing anywhere");
        let mut partition = Partition::new(start);
        for offset in [3, 4, 7, 9] {
            partition.take(record(offset)).expect("in order");
        }
        partition.until = Some(3);
        assert_eq!((offsets(partition.batch(KEY, "epoch", &limits)), partition.oldest()), (None, None));
        partition.until = Some(7);
        assert_eq!(partition.oldest(), Some(3));
        assert_eq!(offsets(partition.batch(KEY, "epoch", &limits)), Some((3, 4)));
        assert_eq!((offsets(partition.batch(KEY, "epoch", &limits)), partition.oldest()), (None, None));
        partition.until = None;
        assert_eq!(offsets(partition.batch(KEY, "epoch", &limits)), Some((7, 9)));
    }
}
