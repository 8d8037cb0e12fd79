//! What was written for a journal's partition, in one of the topics it may stand in.

use super::Outcome;
use crate::{Record, RuntimeError, SourcePosition, headers, log::Schemas, scan::Scan};
use millrace_schemas::{
    Event, Topic,
    event::{DeadLetter, Derived, Duplicate},
};
use tokio::runtime::Handle;

/// One written outcome.
pub(super) struct Written<Out> {
    /// Offset of the journal record.
    pub(super) source: i64,
    pub(super) is_repair: bool,
    pub(super) outcome: Outcome<Out>,
}

/// Outcomes of one topic in the order they were written, which is that of their sources but for repairs.
pub(super) struct Stream<Out> {
    topic: Topic,
    journal: Topic,
    scan: Scan,
    schemas: Schemas,
    runtime: Handle,
    ahead: Option<Written<Out>>,
    last_source: i64,
    /// Offset behind what was read.
    pub(super) next: i64,
    /// Second copies, which are left out.
    pub(super) copies: u64,
}

impl<Out: Derived> Stream<Out> {
    pub(super) fn new(topic: Topic, journal: Topic, scan: Scan, schemas: Schemas, runtime: Handle) -> Self {
        Self { topic, journal, scan, schemas, runtime, ahead: None, last_source: -1, next: 0, copies: 0 }
    }

    pub(super) fn topic(&self) -> Topic {
        self.topic
    }

    /// The next outcome of the journal, when its turn has come: its source lies below `offset`, or it repairs.
    pub(super) fn before(&mut self, offset: i64) -> Result<Option<Written<Out>>, RuntimeError> {
        let has_come = self.peek()?.is_some_and(|ahead| ahead.source < offset);
        Ok(if has_come { self.ahead.take() } else { None })
    }

    fn peek(&mut self) -> Result<Option<&Written<Out>>, RuntimeError> {
        while self.ahead.is_none() {
            let Some(record) = self.scan.next_record()? else { break };
            self.next = record.offset + 1;
            let Some((source, outcome)) = self.outcome(&record)? else { continue };
            let is_repair = record.headers.get(headers::REPAIR).is_some();
            if !is_repair && source <= self.last_source {
                self.copies += 1;
                continue;
            }
            self.last_source = self.last_source.max(source);
            self.ahead = Some(Written { source, is_repair, outcome });
        }
        Ok(self.ahead.as_ref())
    }

    /// The outcome a record says, when it is one of this journal.
    fn outcome(&self, record: &Record) -> Result<Option<(i64, Outcome<Out>)>, RuntimeError> {
        if SourcePosition::of(record).is_some_and(|source| source.topic != self.journal) {
            return Ok(None);
        }
        let (source, outcome) = match self.topic {
            Topic::Duplicates => {
                let duplicate: Duplicate = self.decode(record)?;
                let source = (duplicate.source.topic.clone(), duplicate.source.partition, duplicate.source.offset);
                (Some(source), Outcome::Duplicate(duplicate))
            }
            Topic::DeadLetters => {
                let letter: DeadLetter = self.decode(record)?;
                let place = letter.source_topic.clone().zip(letter.source_partition).zip(letter.source_offset);
                (place.map(|((topic, partition), offset)| (topic, partition, offset)), Outcome::DeadLetter(letter))
            }
            _ => {
                let output: Out = self.decode(record)?;
                let source = output.source().clone();
                (Some((source.topic, source.partition, source.offset)), Outcome::Emit(output))
            }
        };
        let of_journal = |(topic, partition, _): &(String, i32, i64)| {
            *topic == self.journal.name() && *partition == record.partition
        };
        Ok(source.filter(of_journal).map(|(_, _, offset)| (offset, outcome)))
    }

    fn decode<E: Event>(&self, record: &Record) -> Result<E, RuntimeError> {
        self.schemas.decode(&self.runtime, record.value.as_deref())?.map_err(|error| {
            RuntimeError::Fatal(format!("{} {}/{}: {error}", record.topic, record.partition, record.offset))
        })
    }
}
