//! Writing one batch: the intent first, then the store, then the positions.

use super::{
    Batch, Part, Sink, SinkConfig, SinkError,
    cut::Cut,
    group::{Group, Position, taken_away},
    intent::{Intent, Marker},
};
use crate::{
    RuntimeError, metrics as names,
    processor::dead_letter,
    sabotage::{self, Sabotage},
    sources::LastSources,
};
use millrace_schemas::{Topic, event::FieldError};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// First pause before a batch is tried again.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Most bytes of a record that cannot be stored that its dead letter keeps.
const LETTER_PAYLOAD_MAX: usize = 512 << 10;
/// Longest pause before a batch is tried again.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Highest offset the store has, by partition; `None` when it has nothing.
pub(super) type Stored = BTreeMap<i32, Option<i64>>;

pub(super) struct Writer<S: Sink, G: Group> {
    sink: Arc<S>,
    group: G,
    epoch: String,
    retry_timeout: Duration,
    permits: Semaphore,
}

impl<S: Sink, G: Group> Writer<S, G> {
    pub(super) fn new(sink: Arc<S>, group: G, epoch: String, config: &SinkConfig) -> Self {
        let retry_timeout = Duration::from_millis(config.retry_timeout_ms);
        Self { sink, group, epoch, retry_timeout, permits: Semaphore::new(config.writes_max.max(1)) }
    }

    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// What the store has of a partition.
    pub(super) async fn position(&self, topic: Topic, partition: i32) -> Result<Option<i64>, RuntimeError> {
        self.sink.position(topic, partition).await.map_err(|error| match error {
            SinkError::Fatal(reason) => RuntimeError::Fatal(reason),
            passing => RuntimeError::Transient(passing.to_string()),
        })
    }

    /// First offset of a partition that is not to be written yet.
    pub(super) fn until(&self, topic: Topic, partition: i32) -> Option<i64> {
        self.sink.until(topic, partition)
    }

    /// Writes a batch so that it takes effect once, whatever happens between the steps; gives the highest offset stored then of each of
    /// its partitions.
    pub(super) async fn write(&self, cut: Cut, assignment: u64) -> Result<Stored, RuntimeError> {
        let Cut { batch, edges } = &cut;
        let _permit =
            self.permits.acquire().await.map_err(|_| RuntimeError::Transient("the writer is closed".into()))?;
        if !sabotage::is_on(Sabotage::Intent) {
            let intent = cut.intent();
            let around = batch.parts.iter().zip(edges);
            let positions: Vec<Position> = around
                .map(|(part, edge)| {
                    self.position_at(part.partition, part.first, edge.stored, &edge.before, Some(intent.clone()))
                })
                .collect();
            self.group.commit(assignment, batch.topic, &positions)?;
        }
        let before = batch.parts.iter().zip(edges).map(|(part, edge)| (part.partition, edge.stored)).collect();
        self.store_and_commit(&cut, &before, assignment).await
    }

    /// The rest of it, for a batch whose intent is recorded. `before` has what the store had of the partitions that are this process's:
    /// an earlier one was writing to others, too.
    pub(super) async fn store_and_commit(
        &self,
        Cut { batch, edges }: &Cut,
        before: &Stored,
        assignment: u64,
    ) -> Result<Stored, RuntimeError> {
        let written = self.store(assignment, batch).await?;
        let (mut positions, mut stored) = (Vec::new(), Stored::new());
        for ((part, edge), written) in batch.parts.iter().zip(edges).zip(&written.parts) {
            let Some(before) = before.get(&part.partition) else { continue };
            let last = written.records.last().map(|record| record.offset).or(*before);
            positions.push(self.position_at(part.partition, part.last + 1, last, &edge.after, None));
            stored.insert(part.partition, last);
            count(batch.topic, part, edge.left_out, S::NAME);
        }
        self.group.commit(assignment, batch.topic, &positions)?;
        Ok(stored)
    }

    fn position_at(
        &self,
        partition: i32,
        offset: i64,
        stored: Option<i64>,
        sources: &LastSources,
        intent: Option<Intent>,
    ) -> Position {
        let marker = Marker { epoch: self.epoch.clone(), stored, sources: sources.clone(), intent };
        Position { partition, offset, marker }
    }

    /// Puts the batch into the store; gives it less the records that the store can never take.
    async fn store(&self, assignment: u64, batch: &Batch) -> Result<Batch, RuntimeError> {
        let mut batch = batch.clone();
        let (until, mut pause) = (Instant::now() + self.retry_timeout, PAUSE_MIN);
        while batch.records().next().is_some() {
            if !self.group.holds(assignment) {
                return Err(taken_away());
            }
            let began = Instant::now();
            let result = self.sink.write(&batch).await;
            let outcome = match &result {
                Ok(()) => "ok",
                Err(SinkError::Transient(_)) => "transient",
                Err(SinkError::Poison { .. }) => "poison",
                Err(SinkError::Fatal(_)) => "fatal",
            };
            names::seconds(
                names::SINK_WRITE_SECONDS,
                &[("sink", S::NAME.into()), ("outcome", outcome.into())],
                began.elapsed(),
            );
            match result {
                Ok(()) => break,
                Err(SinkError::Poison { partition, offset, code, reason }) => {
                    self.give_up(&mut batch, (partition, offset), code, reason).await?
                }
                Err(SinkError::Transient(reason)) if Instant::now() < until => {
                    tracing::warn!(sink = S::NAME, token = batch.token(), reason, "writing the same batch again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(SinkError::Transient(reason)) => return Err(RuntimeError::Transient(reason)),
                Err(SinkError::Fatal(reason)) => return Err(RuntimeError::Fatal(reason)),
            }
        }
        Ok(batch)
    }

    /// A record the store can never take becomes a dead letter, acknowledged before the batch goes on without it.
    async fn give_up(
        &self,
        batch: &mut Batch,
        (partition, offset): (i32, i64),
        code: &str,
        reason: String,
    ) -> Result<(), RuntimeError> {
        let part = batch.parts.iter_mut().find(|part| part.partition == partition);
        let record = part.and_then(|part| {
            let place = part.records.iter().position(|record| record.offset == offset)?;
            Some(part.records.remove(place))
        });
        let Some(record) = record else {
            return Err(RuntimeError::Fatal(format!(
                "the store refuses offset {offset} of partition {partition}, which is not in the batch: {reason}"
            )));
        };
        let error = FieldError { path: String::new(), code: code.to_owned(), message: reason };
        let letter = dead_letter(&self.epoch, &record, vec![error], LETTER_PAYLOAD_MAX);
        self.group.dead_letter(&record, &letter).await?;
        tracing::error!(sink = S::NAME, topic = %record.topic, partition = record.partition, offset, code, "a record cannot be stored");
        Ok(())
    }
}

fn count(topic: Topic, part: &Part, left_out: usize, sink: &str) {
    let labels = [("sink", sink.to_owned()), ("topic", topic.name().to_owned())];
    names::count(names::SINK_RECORDS_TOTAL, &labels, part.records.len() as u64);
    if left_out > 0 {
        let Part { partition, first, last, .. } = *part;
        tracing::warn!(sink, %topic, partition, first, last, left_out, "a torn transaction left records twice");
        names::count(names::SINK_SECOND_COPIES_TOTAL, &labels, left_out as u64);
    }
}
