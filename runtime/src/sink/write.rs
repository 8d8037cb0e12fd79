//! Writing one batch: the intent first, then the store, then the position.

use super::{
    Batch, Sink, SinkConfig, SinkError,
    group::{Group, taken_away},
    intent::{Intent, Marker},
    partition::Cut,
};
use crate::{
    RuntimeError, metrics as names,
    processor::dead_letter,
    sabotage::{self, Sabotage},
};
use millrace_schemas::{Topic, event::FieldError};
use std::{
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

    /// Writes a batch so that it takes effect once, whatever happens between the steps; gives the highest offset stored then.
    pub(super) async fn write(
        &self,
        cut: Cut,
        stored: Option<i64>,
        unresolved: Option<Intent>,
        assignment: u64,
    ) -> Result<Option<i64>, RuntimeError> {
        let _permit =
            self.permits.acquire().await.map_err(|_| RuntimeError::Transient("the writer is closed".into()))?;
        let Cut { batch, before, after, left_out } = cut;
        let intent = Intent::of(&batch);
        if let Some(unresolved) = unresolved
            && unresolved != intent
        {
            return Err(RuntimeError::Fatal(format!(
                "{} partition {}: offsets {} to {} were being written as {unresolved:?} but the log now holds {intent:?}",
                batch.topic, batch.partition, batch.first, batch.last
            )));
        }
        let partition = (batch.topic, batch.partition);
        let marker = |stored, sources, intent| Marker { epoch: self.epoch.clone(), stored, sources, intent };
        if !sabotage::is_on(Sabotage::Intent) {
            self.group.commit(assignment, partition, batch.first, &marker(stored, before, Some(intent)))?;
        }
        let stored = self.store(assignment, &batch).await?.or(stored);
        self.group.commit(assignment, partition, batch.last + 1, &marker(stored, after, None))?;
        count(&batch, left_out, S::NAME);
        Ok(stored)
    }

    /// Puts the batch into the store, less the records it can never take; the highest offset it has of the batch.
    async fn store(&self, assignment: u64, batch: &Batch) -> Result<Option<i64>, RuntimeError> {
        let mut batch = batch.clone();
        let (until, mut pause) = (Instant::now() + self.retry_timeout, PAUSE_MIN);
        while !batch.records.is_empty() {
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
                Err(SinkError::Poison { offset, code, reason }) => {
                    self.give_up(&mut batch, offset, code, reason).await?
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
        Ok(batch.records.last().map(|record| record.offset))
    }

    /// A record the store can never take becomes a dead letter, acknowledged before the batch goes on without it.
    async fn give_up(&self, batch: &mut Batch, offset: i64, code: &str, reason: String) -> Result<(), RuntimeError> {
        let position = batch.records.iter().position(|record| record.offset == offset);
        let record = match position {
            Some(position) => batch.records.remove(position),
            None => {
                return Err(RuntimeError::Fatal(format!(
                    "the store refuses offset {offset}, which is not in the batch: {reason}"
                )));
            }
        };
        let error = FieldError { path: String::new(), code: code.to_owned(), message: reason };
        let letter = dead_letter(&self.epoch, &record, vec![error], LETTER_PAYLOAD_MAX);
        self.group.dead_letter(&record, &letter).await?;
        tracing::error!(sink = S::NAME, topic = %record.topic, partition = record.partition, offset, code, "a record cannot be stored");
        Ok(())
    }
}

fn count(batch: &Batch, left_out: usize, sink: &str) {
    let labels = [("sink", sink.to_owned()), ("topic", batch.topic.name().to_owned())];
    names::count(names::SINK_RECORDS_TOTAL, &labels, batch.records.len() as u64);
    if left_out > 0 {
        let (topic, partition) = (batch.topic, batch.partition);
        tracing::warn!(sink, %topic, partition, first = batch.first, last = batch.last, left_out, "a torn transaction left records twice");
        names::count(names::SINK_SECOND_COPIES_TOTAL, &labels, left_out as u64);
    }
}
