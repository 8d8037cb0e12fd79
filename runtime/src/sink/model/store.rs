//! A store and a group that fail where they are told to.

use crate::{
    Record, RuntimeError,
    sabotage::Sabotage,
    sink::{
        Batch, Sink, SinkError,
        group::{Group, Position},
    },
};
use millrace_schemas::{Topic, event::DeadLetter};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

/// Value of a record that the store can never take.
pub(super) const POISON: &[u8] = b"poison";

/// Everything that outlives a process.
#[derive(Default)]
pub(super) struct Durable {
    /// Partitions and offsets in the store, in the order they came.
    pub(super) rows: Vec<(i32, i64)>,
    tokens: BTreeSet<String>,
    /// The group's offset of each partition, and its marker.
    pub(super) committed: BTreeMap<i32, (i64, String)>,
    /// Records of the dead-letter topic.
    pub(super) letters: Vec<Record>,
    /// The assignment that holds.
    pub(super) assignment: u64,
}

impl Durable {
    /// Highest offset in the store.
    pub(super) fn highest(&self, partition: i32) -> Option<i64> {
        self.rows.iter().filter(|(of, _)| *of == partition).map(|(_, offset)| *offset).max()
    }
}

/// What one process talks to.
#[derive(Clone, Default)]
pub(super) struct Services {
    durable: Arc<Mutex<Durable>>,
    process: Arc<Mutex<Process>>,
    without: Option<Sabotage>,
}

/// How one process fails.
#[derive(Default)]
struct Process {
    /// Calls until one fails. An even number of halves fails before it has an effect, an odd one after it.
    halves_left: Option<u8>,
    /// Whether its next write into the store waits.
    stalls: bool,
}

impl Services {
    pub(super) fn new(without: Option<Sabotage>) -> Self {
        Self { without, ..Self::default() }
    }

    /// The same durable services for a process of its own.
    pub(super) fn new_process(&self) -> Self {
        Self { process: Arc::default(), ..self.clone() }
    }

    pub(super) fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn fail_at(&self, halves: Option<u8>) {
        self.process().halves_left = halves;
    }

    pub(super) fn stall(&self, stalls: bool) {
        self.process().stalls = stalls;
    }

    /// Does something, unless the process dies before; tells nothing of it when it dies after.
    fn call(&self, effect: impl FnOnce(&mut Durable)) -> Result<(), String> {
        let halves = self.process().halves_left;
        if halves == Some(0) {
            return Err("the process died before".into());
        }
        effect(&mut self.durable());
        if halves == Some(1) {
            return Err("the process died after".into());
        }
        self.process().halves_left = halves.map(|halves| halves - 2);
        Ok(())
    }
}

impl Sink for Services {
    const NAME: &'static str = "model";

    fn topics(&self) -> Vec<Topic> {
        vec![Topic::TransactionScores]
    }

    async fn position(&self, _: Topic, partition: i32) -> Result<Option<i64>, SinkError> {
        Ok(self.durable().highest(partition))
    }

    async fn write(&self, batch: &Batch) -> Result<(), SinkError> {
        if let Some(record) = batch.records().find(|record| record.value.as_deref() == Some(POISON)) {
            let Record { partition, offset, .. } = *record;
            return Err(SinkError::Poison { partition, offset, code: "poison", reason: "poison".into() });
        }
        std::future::poll_fn(|_| if self.process().stalls { Poll::Pending } else { Poll::Ready(()) }).await;
        let takes_twice = self.without == Some(Sabotage::Token);
        let write = |durable: &mut Durable| {
            if durable.tokens.insert(batch.token()) || takes_twice {
                durable.rows.extend(batch.records().map(|record| (record.partition, record.offset)));
            }
        };
        self.call(write).map_err(SinkError::Fatal)
    }
}

impl Group for Services {
    fn holds(&self, assignment: u64) -> bool {
        // A process that was replaced does not know it before it asks the broker.
        assignment <= self.durable().assignment
    }

    fn commit(&self, assignment: u64, _: Topic, positions: &[Position]) -> Result<(), RuntimeError> {
        if assignment != self.durable().assignment && self.without != Some(Sabotage::Fencing) {
            return Err(RuntimeError::Transient("the partition was taken away".into()));
        }
        if positions.iter().any(|it| it.marker.intent.is_some()) && self.without == Some(Sabotage::Intent) {
            return Ok(());
        }
        let commit = |durable: &mut Durable| {
            let told = positions.iter().map(|it| (it.partition, (it.offset, it.marker.to_string())));
            durable.committed.extend(told);
        };
        self.call(commit).map_err(RuntimeError::Fatal)
    }

    async fn dead_letter(&self, record: &Record, _: &DeadLetter) -> Result<(), RuntimeError> {
        let letter = Record { topic: Topic::DeadLetters, headers: record.derived_headers(), ..record.clone() };
        self.call(|durable| durable.letters.push(letter)).map_err(RuntimeError::Fatal)
    }
}
