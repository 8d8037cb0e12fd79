//! One partition of a sink: where it begins, and what was read and not written yet. Pure.

use super::{
    Part,
    cut::Edge,
    intent::{Intent, Marker},
};
use crate::{Record, sources::LastSources};
use std::time::{Duration, Instant};

/// When a batch is ready, and how large it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) records: usize,
    pub(super) bytes: usize,
    pub(super) age: Duration,
}

impl Limits {
    /// What is left of them beside a part.
    pub(super) fn less(self, part: &Part) -> Self {
        let bytes: usize = part.records.iter().map(Record::size).sum();
        Self {
            records: self.records.saturating_sub(part.records.len()),
            bytes: self.bytes.saturating_sub(bytes),
            age: self.age,
        }
    }
}

/// Where a partition begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// Highest offset the store has, but for what is unresolved.
    pub(super) stored: Option<i64>,
    /// Last sources of what it has.
    pub(super) sources: LastSources,
    /// First offset that is not written yet.
    pub(super) next: i64,
    /// A batch that an earlier process was writing: it must be written again exactly, before anything else.
    pub(super) unresolved: Option<Intent>,
}

impl Start {
    /// Compares what the group says with what the store has. They must agree, or a row would be lost or doubled.
    pub(super) fn check(
        epoch: &str,
        partition: i32,
        committed: Option<i64>,
        metadata: &str,
        in_store: Option<i64>,
    ) -> Result<Self, String> {
        let Some(committed) = committed else {
            return match in_store {
                None => Ok(Self { stored: None, sources: LastSources::default(), next: 0, unresolved: None }),
                Some(offset) => Err(format!(
                    "the store has rows up to offset {offset} but the consumer group has no offset: it was deleted, or the topic was \
                     made anew; rebuild the projection, or restore the group's offsets with their metadata"
                )),
            };
        };
        let marker = Marker::parse(metadata, partition, committed).ok_or_else(|| {
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
        let intended = marker.intent.as_ref().and_then(|intent| intent.piece(partition));
        let stored_or_intended = in_store == marker.stored
            || intended.zip(in_store).is_some_and(|(piece, offset)| (committed..=piece.last).contains(&offset));
        if !stored_or_intended {
            let (store, group) = (shown(in_store), shown(marker.stored));
            return Err(format!(
                "the store's last offset is {store} but the consumer group says {group}; rebuild the projection"
            ));
        }
        Ok(Self { stored: marker.stored, sources: marker.sources, next: committed, unresolved: marker.intent })
    }
}

fn shown(offset: Option<i64>) -> String {
    offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string())
}

/// What was read of a partition and is not in the store.
pub(super) struct Partition {
    pending: Vec<Record>,
    bytes: usize,
    since: Option<Instant>,
    /// Last sources of the records before the pending ones.
    sources: LastSources,
    /// First offset that was not taken yet.
    next: i64,
    /// First offset that is not to be written yet.
    pub(super) until: Option<i64>,
    /// Highest offset the store has.
    pub(super) stored: Option<i64>,
    /// Timestamp of the first record of the write under way.
    writing: Option<i64>,
    /// Whether its fetching is paused because too much is pending.
    pub(super) paused: bool,
}

impl Partition {
    /// One of which nothing is unresolved.
    pub(super) fn new(start: Start) -> Self {
        Self {
            pending: Vec::new(),
            bytes: 0,
            since: None,
            sources: start.sources,
            next: start.next,
            until: None,
            stored: start.stored,
            writing: None,
            paused: false,
        }
    }

    /// Adds the next record; one of what an earlier process wrote is passed over.
    pub(super) fn take(&mut self, record: Record) -> Result<(), String> {
        if let Some(last) = self.pending.last().filter(|last| record.offset <= last.offset) {
            return Err(format!("offset {} comes after {}", record.offset, last.offset));
        }
        if record.offset >= self.next {
            self.next = record.offset + 1;
            self.bytes += record.size();
            self.since.get_or_insert_with(Instant::now);
            self.pending.push(record);
        }
        Ok(())
    }

    /// Whether no more should be fetched.
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.pending.len() >= 2 * limits.records || self.bytes >= 2 * limits.bytes
    }

    /// Whether fetching should not begin again yet.
    pub(super) fn is_half_full(&self, limits: &Limits) -> bool {
        self.pending.len() >= limits.records || self.bytes >= limits.bytes
    }

    /// Whether something of it is to be written now.
    pub(super) fn is_due(&self, limits: &Limits) -> bool {
        self.released() > 0
            && (self.is_half_full(limits) || self.since.is_some_and(|since| since.elapsed() >= limits.age))
    }

    /// Since when something waits.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Whether something of it is being written.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Takes the next part out, within limits but for `least` records, and remembers that it is being written. `None` where no record fits.
    pub(super) fn cut(&mut self, number: i32, limits: &Limits, least: usize) -> Option<(Part, Edge)> {
        let (mut bytes, released) = (0, self.released());
        let within = self.pending.iter().take(limits.records.min(released)).take_while(|record| {
            bytes += record.size();
            bytes <= limits.bytes
        });
        let rest = self.pending.split_off(within.count().max(least.min(released)));
        let records = std::mem::replace(&mut self.pending, rest);
        self.bytes = self.pending.iter().map(Record::size).sum();
        let (first, last) = (records.first()?.offset, records.last()?.offset);
        self.since = (!self.pending.is_empty()).then(Instant::now);
        self.writing = records.first().map(|record| record.timestamp);
        let mut part = Part { partition: number, first, last, records };
        let edge = Edge::of(&mut part, self.sources.clone(), self.stored);
        self.sources = edge.after.clone();
        Some((part, edge))
    }

    /// The write under way has ended; the store has records up to an offset.
    pub(super) fn written(&mut self, stored: Option<i64>) {
        (self.stored, self.writing) = (stored, None);
    }

    /// How many of the pending records may be written.
    pub(super) fn released(&self) -> usize {
        self.until.map_or(self.pending.len(), |until| self.pending.partition_point(|record| record.offset < until))
    }

    /// Timestamp of the oldest record that is not in the store and may be.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.writing.or_else(|| self.pending.first().filter(|_| self.released() > 0).map(|record| record.timestamp))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Headers, sink::cut::Cut};
    use millrace_schemas::Topic;

    const KEY: (Topic, i32) = (Topic::Purchases, 0);

    fn record(offset: i64) -> Record {
        let headers = Headers::new();
        Record { topic: KEY.0, partition: KEY.1, offset, timestamp: offset, key: None, value: None, headers }
    }

    fn started() -> Partition {
        Partition::new(Start::check("epoch", KEY.1, None, "", None).expect("nothing anywhere"))
    }

    /// Partition, first and last offset of the parts of the next batch.
    fn next(limits: &Limits, partitions: &mut [Partition]) -> Vec<(i32, i64, i64)> {
        let partitions = (0..).zip(partitions).filter(|(_, partition)| !partition.is_writing());
        let cut = Cut::of_waiting(KEY.0, "epoch", limits, partitions);
        cut.map_or_else(Vec::new, |cut| {
            cut.batch.parts.iter().map(|part| (part.partition, part.first, part.last)).collect()
        })
    }

    const AT_ONCE: Limits = Limits { records: 100, bytes: 1 << 20, age: Duration::ZERO };

    #[test]
    fn records_beyond_where_a_sink_stops_wait_and_are_no_work() {
        let mut partition = [started()];
        for offset in [3, 4, 7, 9] {
            partition[0].take(record(offset)).expect("in order");
        }
        partition[0].until = Some(3);
        assert_eq!((next(&AT_ONCE, &mut partition), partition[0].oldest()), (vec![], None));
        partition[0].until = Some(7);
        assert_eq!(partition[0].oldest(), Some(3));
        assert_eq!(next(&AT_ONCE, &mut partition), [(0, 3, 4)]);
        partition[0].written(Some(4));
        assert_eq!((next(&AT_ONCE, &mut partition), partition[0].oldest()), (vec![], None));
        partition[0].until = None;
        assert_eq!(next(&AT_ONCE, &mut partition), [(0, 7, 9)]);
    }

    #[test]
    fn what_waits_in_several_partitions_is_written_as_one_once_one_of_them_is_due() {
        let mut partitions = [started(), started(), started()];
        let (patient, full) =
            (Limits { age: Duration::from_secs(3_600), records: 3, ..AT_ONCE }, Limits { records: 3, ..AT_ONCE });
        for (number, offsets) in [(2, 0..2), (0, 5..7)] {
            offsets.for_each(|offset| partitions[number].take(record(offset)).expect("in order"));
        }
        assert_eq!(next(&patient, &mut partitions), []);
        partitions[0].take(record(9)).expect("in order");
        assert_eq!(next(&patient, &mut partitions), [(2, 0, 1), (0, 5, 5)], "the longest wait first, up to the limit");
        partitions[1].take(record(0)).expect("in order");
        assert_eq!(next(&full, &mut partitions), [(1, 0, 0)], "one that is being written waits");
        partitions[0].written(Some(5));
        assert_eq!(next(&full, &mut partitions), [(0, 6, 9)]);
    }
}
