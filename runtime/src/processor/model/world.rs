//! A simulated log with one partition of each topic, a worker, and one that was replaced and does not know it.

use super::events::{Input, Numbering, Output, record};
use crate::{
    RuntimeError, SourcePosition,
    processor::{
        decide::{Decider, Outcome, Partition},
        input::Refusal,
        marker::{Committed, Last},
        restore::{At, Past, Stop, restore},
        snapshot::Snapshot,
    },
    sabotage::Sabotage,
};
use millrace_schemas::{Topic, time::HOUR_MS};
use std::cell::Cell;

/// How long ids are remembered; a few records of the schedule.
pub(super) const HORIZON_MS: i64 = 2 * HOUR_MS;
/// Time that passes with a record, by its pace.
const PACES_MS: [i64; 4] = [0, 1_000, 20 * 60_000, HOUR_MS];
/// How far the writers' clocks are behind the broker's.
const BEHIND_MS: i64 = 50 * 60_000;

/// What happens next.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A record comes into the journal; id 4 is one that cannot be read. A gap is a transaction's marker before it.
    Append { id: u8, content: u8, pace: i64, gap: bool },
    /// The worker decides so many records.
    Decide(usize),
    /// The worker commits what it decided.
    Commit(Fault),
    /// The worker takes a snapshot, which is written when what it has decided is committed.
    Snapshot,
    /// The worker dies.
    Crash,
    /// Another worker takes over; the one before goes on without knowing it.
    Replace,
    /// The one before commits what it decided.
    ZombieCommits,
    /// An operator sets the group's offset back.
    SetOffsetBack(i64),
}

/// What becomes of a commit. After anything but `None` the worker starts over.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    None,
    /// It dies before, or the transaction is aborted.
    Aborted,
    /// It is committed and the worker never knows.
    AcknowledgementLost,
    /// So many of its outputs are committed although the transaction is not.
    Torn(usize),
}

/// A record of the journal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) offset: i64,
    pub(super) time: i64,
    /// `None` for one that cannot be read.
    pub(super) input: Option<Input>,
}

/// A committed record of one of the topics the processor writes.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) source: i64,
    pub(super) outcome: Outcome<Output>,
    written_at: i64,
}

impl Written {
    fn topic(&self) -> Topic {
        match self.outcome {
            Outcome::Emit(_) | Outcome::Done => Topic::TransactionScores,
            Outcome::Duplicate(_) => Topic::Duplicates,
            Outcome::DeadLetter(_) => Topic::DeadLetters,
        }
    }
}

struct Worker {
    partition: Partition<Numbering>,
    /// Next journal offset to read.
    next: i64,
    decided: Vec<(Last, Outcome<Output>)>,
    /// Where its outputs ended when it was restored or last took a snapshot, and what its last output was then.
    anchor: (i64, Option<(i64, i64)>),
    snapshot: Option<Snapshot>,
}

pub(super) struct World {
    pub(super) journal: Vec<Entry>,
    pub(super) log: Vec<Written>,
    committed: Committed,
    /// The file.
    snapshot: Option<Snapshot>,
    /// Restores that began with a snapshot.
    pub(super) from_snapshot: Cell<u32>,
    worker: Option<Worker>,
    zombie: Option<Worker>,
    decider: Decider<Numbering>,
    without: Option<Sabotage>,
}

impl World {
    pub(super) fn new(without: Option<Sabotage>) -> Self {
        Self {
            journal: Vec::new(),
            log: Vec::new(),
            committed: Committed { partition: 0, offset: None, marker: None },
            snapshot: None,
            from_snapshot: Cell::new(0),
            worker: None,
            zombie: None,
            decider: Decider { processor: Numbering, epoch: "epoch".into(), horizon_ms: HORIZON_MS, repaired: None },
            without,
        }
    }

    pub(super) fn run(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Append { id, content, pace, gap } => self.append(id, content, pace, gap),
            Step::Decide(count) => self.decide(count)?,
            Step::Commit(fault) => self.commit(fault),
            Step::Snapshot => self.take_snapshot(),
            Step::Crash => self.worker = None,
            Step::Replace => self.zombie = self.worker.take().or(self.zombie.take()),
            Step::ZombieCommits => self.zombie_commits(),
            Step::SetOffsetBack(by) => {
                // Tools refuse a group that has members.
                if let (None, Some(offset)) = (&self.worker, self.committed.offset) {
                    self.committed = Committed { partition: 0, offset: Some((offset - by).max(0)), marker: None };
                }
            }
        }
        Ok(())
    }

    /// No more faults: everything that is in the journal is decided and committed.
    pub(super) fn come_to_rest(&mut self) -> Result<(), String> {
        self.worker = None;
        self.decide(usize::MAX)?;
        self.commit(Fault::None);
        Ok(())
    }

    fn now(&self) -> i64 {
        self.journal.last().map_or(0, |entry| entry.time)
    }

    fn append(&mut self, id: u8, content: u8, pace: i64, gap: bool) {
        let offset = self.journal.last().map_or(0, |entry| entry.offset + 1) + i64::from(gap);
        let time = self.now() + PACES_MS[pace as usize];
        self.journal.push(Entry { offset, time, input: (id < 4).then_some(Input { id, content }) });
    }

    fn worker(&mut self) -> Result<Worker, String> {
        if let Some(worker) = self.worker.take() {
            return Ok(worker);
        }
        let next = self.committed.offset.unwrap_or(0);
        let partition = if self.without == Some(Sabotage::Restore) {
            self.decider.partition()
        } else {
            restore(&self.decider, &self.committed, self).map_err(|stop| format!("a restore stops: {stop:?}"))?.0
        };
        let anchor = (self.log.len() as i64, partition.emitted());
        Ok(Worker { partition, next, decided: Vec::new(), anchor, snapshot: None })
    }

    fn decide(&mut self, count: usize) -> Result<(), String> {
        let mut worker = self.worker()?;
        let next = worker.next;
        for entry in self.journal.iter().filter(|entry| entry.offset >= next).take(count) {
            let input = entry.input.ok_or_else(|| Refusal::whole("bad_datum", ""));
            let record = record(entry.offset, entry.time);
            let decided = self.decider.decide(&mut worker.partition, &record, input);
            let outcome = decided.map_err(|error| error.to_string())?.settle();
            let emitted = worker.partition.emitted().map(|(offset, _)| offset);
            worker.decided.push((Last::of(&record, emitted), outcome));
            worker.next = entry.offset + 1;
        }
        self.worker = Some(worker);
        Ok(())
    }

    fn take_snapshot(&mut self) {
        let end = self.log.len() as i64;
        let Some(worker) = &mut self.worker else { return };
        let (continue_at, emitted) = std::mem::replace(&mut worker.anchor, (end, worker.partition.emitted()));
        if worker.partition.emitted() != emitted {
            worker.snapshot = worker.partition.save(continue_at);
        }
    }

    fn commit(&mut self, fault: Fault) {
        let Some(mut worker) = self.worker.take() else { return };
        let decided = std::mem::take(&mut worker.decided);
        // Outputs that no transaction holds back are written before anything can fail.
        let unprotected = self.without == Some(Sabotage::Transaction);
        match fault {
            Fault::None => {
                self.write(&decided, true);
                self.snapshot = worker.snapshot.take().or(self.snapshot.take());
            }
            Fault::AcknowledgementLost => return self.write(&decided, true),
            Fault::Aborted if unprotected => return self.write(&decided, false),
            Fault::Aborted => return,
            Fault::Torn(count) => return self.write(&decided[..count.min(decided.len())], false),
        }
        self.worker = Some(worker);
    }

    /// The broker refuses a transaction of a producer that was replaced, for a member that was.
    fn zombie_commits(&mut self) {
        let Some(zombie) = self.zombie.take() else { return };
        match self.without {
            Some(Sabotage::Fencing) => self.write(&zombie.decided, true),
            Some(Sabotage::Transaction) => self.write(&zombie.decided, false),
            _ => {}
        }
    }

    fn write(&mut self, decided: &[(Last, Outcome<Output>)], with_offsets: bool) {
        let written_at = self.now() - BEHIND_MS;
        let outcomes = decided.iter().filter(|(_, outcome)| *outcome != Outcome::Done);
        let written =
            outcomes.map(|(last, outcome)| Written { source: last.offset, outcome: outcome.clone(), written_at });
        self.log.extend(written);
        if let (true, Some((last, _))) = (with_offsets, decided.last()) {
            let marker = Some(last.marker("epoch", 1));
            self.committed = Committed { partition: 0, offset: Some(last.offset + 1), marker };
        }
    }
}

impl Past<Output> for World {
    fn snapshot(&self) -> Option<Snapshot> {
        self.snapshot.clone()
    }

    fn first_source(&self, offset: i64) -> Result<Option<i64>, Stop> {
        let mut outputs = self.log.iter().skip(offset as usize).filter(|it| it.topic() == Topic::TransactionScores);
        Ok(outputs.next().map(|written| written.source))
    }

    fn outputs(
        &self,
        from: Option<i64>,
        each: &mut dyn FnMut(&Output, bool) -> Result<(), RuntimeError>,
    ) -> Result<(), Stop> {
        self.from_snapshot.set(self.from_snapshot.get() + u32::from(from.is_some()));
        for written in self.log.iter().skip(from.unwrap_or(0) as usize) {
            if let Outcome::Emit(output) = &written.outcome {
                each(output, false)?;
            }
        }
        Ok(())
    }

    fn sources(&self, topic: Topic, since: Option<i64>, each: &mut dyn FnMut(SourcePosition)) -> Result<(), Stop> {
        let of_topic =
            |written: &&Written| written.topic() == topic && since.is_none_or(|since| written.written_at >= since);
        for written in self.log.iter().filter(of_topic) {
            each(SourcePosition { topic: Topic::Transactions, partition: 0, offset: written.source, index: 0 });
        }
        Ok(())
    }

    fn journal_at(&self, offset: i64) -> Result<At, Stop> {
        let end = self.journal.last().map_or(0, |entry| entry.offset + 1);
        let found = self.journal.iter().find(|entry| entry.offset == offset);
        Ok(match found {
            Some(entry) => At::Record(entry.time),
            None if offset >= end => At::Beyond(end),
            None => At::Nothing,
        })
    }
}
