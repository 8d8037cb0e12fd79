//! Whether every record of a journal has exactly one outcome, a stretch at a time, from the log alone.
//!
//! A check goes on where the last one ended: its state is a [`Reconciliation`], and neither memory nor work grow with the log. Only
//! offsets are compared; what an outcome says is for `replay` to verify.

use crate::{
    Record, RuntimeError, SourcePosition, headers,
    log::Log,
    reader::{Ends, From},
    scan::Scan,
    sources::LastSources,
};
use millrace_schemas::{
    Topic,
    event::{OffsetDifference, Reconciliation},
    wire::Codec,
};
use serde_json::Value as Json;
use std::{collections::BTreeMap, sync::Arc};

/// Journal records of one step.
const RECORDS_MAX: usize = 100_000;
/// Most differences of one partition; with more, nothing new is checked until some are settled.
pub const DIFFERENCES_MAX: usize = 1_000;

/// A journal, and the processor that decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journal {
    /// Name of the processor, which is that of its consumer group.
    pub processor: &'static str,
    /// The journal.
    pub topic: Topic,
    /// Where its outputs stand.
    pub outputs: Topic,
}

/// Reads what checks compare. Its work blocks the thread it is called on.
pub struct Checker {
    log: Log,
    ends: Ends,
    codec: Arc<Codec>,
}

/// Outcomes that were read: how many each journal offset has.
#[derive(Default)]
struct Outcomes {
    of: BTreeMap<i64, u64>,
    kinds: BTreeMap<String, i64>,
}

impl Checker {
    /// A checker of this log.
    pub async fn new(log: &Log) -> Result<Self, RuntimeError> {
        let codec = Arc::clone(log.codec().await?.codec());
        Ok(Self { log: log.clone(), ends: Ends::new(log.kafka())?, codec })
    }

    /// The codec of the log's schemas.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Checks journal records from where `state` ends, up to what the processor has committed, in one step of bounded size. True
    /// when more is left.
    pub fn outcomes(
        &self,
        journal: &Journal,
        committed: i64,
        state: &mut Reconciliation,
    ) -> Result<bool, RuntimeError> {
        let (low, end) = self.watermarks(journal.topic, state.partition)?;
        begin(state, low, end);
        let from = state.verified_through.max(low);
        let full = state.differences.len() >= DIFFERENCES_MAX;
        let (records, until) = if full || from >= committed {
            (Vec::new(), from)
        } else {
            self.offsets(journal.topic, state.partition, from, committed)?
        };
        let mut outcomes = Outcomes::default();
        let mut next = state.clone();
        for topic in [journal.outputs, Topic::Duplicates, Topic::DeadLetters] {
            self.read(topic, journal.topic, until, &mut next, &mut outcomes)?;
        }
        *next.counts.entry("records".to_owned()).or_default() += records.len() as i64;
        for (kind, count) in outcomes.kinds {
            *next.counts.entry(kind).or_default() += count;
        }
        settle(&mut next, &records, &outcomes.of, from, low);
        if next.differences.len() > DIFFERENCES_MAX {
            // Only as far as the differences can be remembered, so that none is lost.
            let cut = next.differences[DIFFERENCES_MAX - 1].offset + 1;
            return if cut < until { self.outcomes(journal, cut, state) } else { Ok(false) };
        }
        (next.verified_through, next.committed) = (until, committed);
        *state = next;
        Ok(until < committed && !full)
    }

    /// Offsets of records, and the offset up to which they are all.
    fn offsets(&self, topic: Topic, partition: i32, from: i64, until: i64) -> Result<(Vec<i64>, i64), RuntimeError> {
        let mut offsets = Vec::new();
        let reached = self.stretch(topic, partition, from, until, RECORDS_MAX, &mut |record| {
            offsets.push(record.offset);
            Ok(())
        })?;
        Ok((offsets, reached))
    }

    /// Reads records of a stretch of offsets, at most so many; says up to which offset they are all.
    pub fn stretch(
        &self,
        topic: Topic,
        partition: i32,
        from: i64,
        until: i64,
        records_max: usize,
        each: &mut dyn FnMut(&Record) -> Result<(), RuntimeError>,
    ) -> Result<i64, RuntimeError> {
        let mut scan = Scan::new(self.log.kafka(), topic, &[partition], From::Offset(from))?;
        let mut count = 0;
        while let Some(record) = scan.next_record()? {
            if record.offset >= until {
                return Ok(until);
            }
            each(&record)?;
            count += 1;
            if count == records_max {
                return Ok(record.offset + 1);
            }
        }
        Ok(until)
    }

    /// First offset of a partition, and the one behind the last record that readers get.
    pub fn watermarks(&self, topic: Topic, partition: i32) -> Result<(i64, i64), RuntimeError> {
        self.ends.range(topic, partition)
    }

    /// Reads outcomes of a journal in one topic, from where it was left, up to the first that belongs to a record not checked yet.
    fn read(
        &self,
        topic: Topic,
        journal: Topic,
        until: i64,
        state: &mut Reconciliation,
        outcomes: &mut Outcomes,
    ) -> Result<(), RuntimeError> {
        let partition = state.partition;
        // What the offsets are committed with may not be readable yet.
        self.ends.wait_until_readable(topic, partition)?;
        let (low, end) = self.watermarks(topic, partition)?;
        let mut next = state.reads.get(topic.name()).copied().unwrap_or(low).max(low);
        if next >= end {
            return Ok(());
        }
        let mut last = sources(state, topic.name());
        let mut scan = Scan::new(self.log.kafka(), topic, &[partition], From::Offset(next))?;
        loop {
            let Some(record) = scan.next_record()? else {
                // Markers of transactions may stand behind the last record.
                next = next.max(end);
                break;
            };
            let Some(source) = self.source(&record).filter(|it| it.topic == journal && it.partition == partition)
            else {
                next = record.offset + 1;
                continue;
            };
            let is_repair = record.headers.get(headers::REPAIR).is_some();
            if !is_repair && source.offset >= until {
                break;
            }
            next = record.offset + 1;
            if last.take(&record) {
                *outcomes.of.entry(source.offset).or_default() += 1;
                *outcomes.kinds.entry(topic.name().to_owned()).or_default() += 1;
            }
        }
        state.reads.insert(topic.name().to_owned(), next);
        state.sources.insert(topic.name().to_owned(), last.to_string());
        Ok(())
    }

    /// The journal record an outcome is of: by its header, or by what it says where another program wrote it.
    fn source(&self, record: &Record) -> Option<SourcePosition> {
        SourcePosition::of(record).or_else(|| {
            let (_, value) = self.codec.decode_json(record.value.as_deref()).ok()?;
            let field = |name: &str| value["source"].get(name).or_else(|| value.get(format!("source_{name}"))).cloned();
            let number = |name: &str| field(name).as_ref().and_then(Json::as_i64);
            let topic = field("topic")?.as_str()?.parse().ok()?;
            let partition = i32::try_from(number("partition")?).ok()?;
            Some(SourcePosition { topic, partition, offset: number("offset")?, index: 0 })
        })
    }
}

/// Begins anew where nothing was checked, or where the log is not the one that was.
pub fn begin(state: &mut Reconciliation, low: i64, end: i64) {
    let is_new = state.checked_at == 0;
    if !is_new && state.verified_through > end {
        tracing::error!(
            topic = state.topic,
            partition = state.partition,
            verified_through = state.verified_through,
            end,
            "the log ends before what was checked: it was made anew or has lost records; checking begins anew"
        );
    }
    if is_new || state.verified_through > end {
        let (topic, partition) = (std::mem::take(&mut state.topic), state.partition);
        *state =
            Reconciliation { topic, partition, from_offset: low, verified_through: low, ..Reconciliation::default() };
        state.turn_offset = low;
    }
}

/// The last sources that a reading of a partition has seen.
pub(crate) fn sources(state: &Reconciliation, reading: &str) -> LastSources {
    state.sources.get(reading).and_then(|text| LastSources::parse(text)).unwrap_or_default()
}

/// Which records of a topic readers take, for those that go on reading where they ended.
pub struct Taking(LastSources);

impl Taking {
    /// Goes on where a reading ended.
    pub fn of(state: &Reconciliation, reading: &str) -> Self {
        Self(sources(state, reading))
    }

    /// Whether readers take the next record.
    pub fn take(&mut self, record: &Record) -> bool {
        self.0.take(record)
    }

    /// Remembers where the reading ended.
    pub fn end(&self, state: &mut Reconciliation, reading: &str) {
        state.sources.insert(reading.to_owned(), self.0.to_string());
    }
}

/// Compares records with outcomes: each record from `from` on must have one; an earlier one may get its missing one.
fn settle(state: &mut Reconciliation, records: &[i64], outcomes: &BTreeMap<i64, u64>, from: i64, low: i64) {
    for (&offset, &count) in outcomes {
        let mut expected = i64::from(offset >= from && records.binary_search(&offset).is_ok());
        if offset < from {
            if let Some(place) = state.differences.iter().position(|it| it.offset == offset && it.kind == "missing") {
                state.differences.remove(place);
                expected = 1;
            } else if offset < low || offset < state.from_offset {
                continue;
            }
        }
        let found = count as i64;
        if found > expected {
            let kind = if expected == 0 && offset >= from { "made_up" } else { "doubled" };
            // An earlier record has one already.
            let found = if expected == 0 && offset < from { found + 1 } else { found };
            add(state, offset, kind, if kind == "made_up" { 0 } else { 1 }, found);
        }
    }
    for offset in records.iter().filter(|offset| !outcomes.contains_key(offset)) {
        add(state, *offset, "missing", 1, 0);
    }
    state.differences.retain(|it| it.offset >= low);
    state.differences.sort_by_key(|it| it.offset);
}

fn add(state: &mut Reconciliation, offset: i64, kind: &str, expected: i64, found: i64) {
    state.differences.push(OffsetDifference {
        offset,
        kind: kind.to_owned(),
        table: None,
        expected: expected.to_string(),
        found: found.to_string(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(state: &Reconciliation) -> Vec<(i64, &str, &str)> {
        state.differences.iter().map(|it| (it.offset, it.kind.as_str(), it.found.as_str())).collect()
    }

    #[test]
    fn every_record_must_have_one_outcome_and_a_repair_settles_what_was_missing() {
        let mut state = Reconciliation::default();
        // Markers of transactions leave gaps between offsets.
        settle(&mut state, &[0, 1, 3, 4, 6], &BTreeMap::from([(0, 1), (1, 2), (4, 1), (5, 1)]), 0, 0);
        assert_eq!(told(&state), [(1, "doubled", "2"), (3, "missing", "0"), (5, "made_up", "1"), (6, "missing", "0")]);
        settle(&mut state, &[8], &BTreeMap::from([(3, 1), (8, 1)]), 7, 0);
        assert_eq!(told(&state), [(1, "doubled", "2"), (5, "made_up", "1"), (6, "missing", "0")]);
        settle(&mut state, &[], &BTreeMap::from([(6, 2), (8, 1)]), 9, 0);
        assert_eq!(told(&state), [(1, "doubled", "2"), (5, "made_up", "1"), (6, "doubled", "2"), (8, "doubled", "2")]);
    }

    #[test]
    fn what_retention_took_is_no_difference() {
        let mut state = Reconciliation { from_offset: 0, ..Reconciliation::default() };
        settle(&mut state, &[0, 9], &BTreeMap::new(), 0, 0);
        settle(&mut state, &[10], &BTreeMap::from([(4, 1), (10, 1)]), 10, 5);
        assert_eq!(told(&state), [(9, "missing", "0")]);
    }

    #[test]
    fn a_log_made_anew_is_checked_from_its_beginning() {
        let mut state = Reconciliation { checked_at: 1, verified_through: 50, ..Reconciliation::default() };
        begin(&mut state, 0, 50);
        assert_eq!(state.verified_through, 50);
        begin(&mut state, 3, 49);
        assert_eq!((state.verified_through, state.from_offset, state.turn_offset), (3, 3, 3));
    }
}
