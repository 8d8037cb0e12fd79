//! One partition of a projected topic, step by step.

use super::{
    ReconcileError, joined,
    rows::{Expected, agrees, differences},
};
use crate::clickhouse::{ClickHouse, held::Stretch, tables};
use millrace_runtime::{
    RuntimeError,
    clock::{Clock as _, SystemClock},
    reconcile::{Checker, DIFFERENCES_MAX, Taking, begin},
};
use millrace_schemas::{
    Topic,
    event::{MoneySum, OffsetDifference, Reconciliation},
};
use std::sync::Arc;

/// Names of the two readings in [`Reconciliation::sources`].
const FRONT: &str = "front";
const TURN: &str = "turn";

/// A partition, and what is remembered of it between rounds.
pub(super) struct Projected {
    topic: Topic,
    partition: i32,
    /// The last comparison found differences for the first time: rows may just be being repaired, so it is looked again.
    front_suspect: bool,
    turn_suspect: bool,
}

/// A stretch as the log has it.
struct Read {
    stretch: Stretch,
    expected: Expected,
    records: usize,
    taking: Taking,
}

impl Projected {
    pub(super) fn new(topic: Topic, partition: i32) -> Self {
        Self { topic, partition, front_suspect: false, turn_suspect: false }
    }

    pub(super) fn place(&self) -> (Topic, i32) {
        (self.topic, self.partition)
    }

    /// Compares the next stretch of what the projector has committed; true when more is left.
    pub(super) async fn go_on(
        &mut self,
        checker: &Arc<Checker>,
        clickhouse: &ClickHouse,
        committed: i64,
        records_max: usize,
        state: &mut Reconciliation,
    ) -> Result<bool, ReconcileError> {
        let (topic, partition) = self.place();
        let asking = Arc::clone(checker);
        let ends = tokio::task::spawn_blocking(move || asking.watermarks(topic, partition));
        let (low, end) = joined(ends.await)?;
        begin(state, low, end);
        state.committed = committed;
        state.differences.retain(|difference| difference.offset >= low);
        let from = state.verified_through.max(low);
        if from >= committed || state.differences.len() >= DIFFERENCES_MAX {
            return Ok(false);
        }
        let read = self.read(checker, state, FRONT, from, committed, records_max).await?;
        let found = compare(clickhouse, &read).await?;
        if !found.is_empty() && !self.front_suspect {
            self.front_suspect = true;
            return Ok(false);
        }
        self.front_suspect = false;
        for table in tables::of_topic(topic) {
            count(state, table, &read);
        }
        *state.counts.entry("records".to_owned()).or_default() += read.records as i64;
        replace(state, &read.stretch, found);
        read.taking.end(state, FRONT);
        state.verified_through = read.stretch.until;
        Ok(state.verified_through < committed && state.differences.len() < DIFFERENCES_MAX)
    }

    /// Compares a stretch of what was compared before; whether the turn is complete.
    pub(super) async fn turn(
        &mut self,
        checker: &Arc<Checker>,
        clickhouse: &ClickHouse,
        records_max: usize,
        state: &mut Reconciliation,
    ) -> Result<bool, ReconcileError> {
        // What the tables were said to have: a set of tables that is filled anew may not be as far yet.
        let until = state.verified_through.min(state.committed);
        if until <= state.from_offset {
            return Ok(true);
        }
        let (topic, partition) = self.place();
        let asking = Arc::clone(checker);
        let ends = tokio::task::spawn_blocking(move || asking.watermarks(topic, partition));
        let (low, _) = joined(ends.await)?;
        let from = state.turn_offset.max(low).max(state.from_offset);
        let read = self.read(checker, state, TURN, from, until, records_max).await?;
        let found = compare(clickhouse, &read).await?;
        let known = |found: &OffsetDifference| state.differences.contains(found);
        if !found.iter().all(known) && !self.turn_suspect {
            self.turn_suspect = true;
            return Ok(false);
        }
        self.turn_suspect = false;
        replace(state, &read.stretch, found);
        if read.stretch.until < until {
            state.turn_offset = read.stretch.until;
            read.taking.end(state, TURN);
            return Ok(false);
        }
        state.turn_offset = state.from_offset.max(low);
        state.sources.remove(TURN);
        state.turn_completed_at = Some(SystemClock.now_ms());
        Ok(true)
    }

    async fn read(
        &self,
        checker: &Arc<Checker>,
        state: &Reconciliation,
        reading: &str,
        from: i64,
        until: i64,
        records_max: usize,
    ) -> Result<Read, ReconcileError> {
        let ((topic, partition), checker) = (self.place(), Arc::clone(checker));
        let mut taking = Taking::of(state, reading);
        let read = tokio::task::spawn_blocking(move || {
            let (mut expected, mut records) = (Expected::default(), 0);
            let until = checker.stretch(topic, partition, from, until, records_max, &mut |record| {
                records += 1;
                if taking.take(record) {
                    expected.add(checker.codec(), record);
                }
                Ok(())
            })?;
            let stretch = Stretch { topic, partition, from, until };
            Ok::<_, RuntimeError>(Read { stretch, expected, records, taking })
        });
        joined(read.await)
    }
}

async fn compare(clickhouse: &ClickHouse, read: &Read) -> Result<Vec<OffsetDifference>, ReconcileError> {
    let mut found = Vec::new();
    for table in tables::of_topic(read.stretch.topic) {
        if !agrees(clickhouse, table, &read.stretch, &read.expected.sums(table)).await? {
            found.extend(differences(clickhouse, table, &read.stretch, &read.expected).await?);
        }
    }
    found.sort_by_key(|difference| difference.offset);
    Ok(found)
}

/// What was found of a stretch takes the place of what was known of it.
fn replace(state: &mut Reconciliation, stretch: &Stretch, found: Vec<OffsetDifference>) {
    state.differences.retain(|it| !(stretch.from..stretch.until).contains(&it.offset));
    state.differences.extend(found);
    state.differences.sort_by_key(|difference| difference.offset);
    state.differences.truncate(DIFFERENCES_MAX);
}

/// Adds what the log makes of a table to what is proven of it.
fn count(state: &mut Reconciliation, table: &str, read: &Read) {
    for (currency, sum) in read.expected.sums(table) {
        *state.counts.entry(table.to_owned()).or_default() += sum.rows as i64;
        if currency.is_empty() {
            continue;
        }
        match state.sums.iter_mut().find(|it| it.name == table && it.currency == currency) {
            Some(known) => {
                let amount = known.amount.parse::<i128>().unwrap_or_default() + sum.amount;
                known.amount = amount.to_string();
            }
            None => {
                let (name, amount) = (table.to_owned(), sum.amount.to_string());
                state.sums.push(MoneySum { name, currency, amount });
            }
        }
    }
}
