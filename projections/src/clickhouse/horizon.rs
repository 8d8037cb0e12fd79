//! How far a set is filled: behind the live one, so that it never shows more; and how much was written.

use millrace_schemas::Topic;
use std::{
    collections::BTreeMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Highest offset a set has of each partition.
pub type Positions = BTreeMap<(Topic, i32), i64>;

/// The positions a set is filled up to, which move on, and the events and rows written on the way.
#[derive(Debug, Default)]
pub(super) struct Horizon {
    positions: RwLock<Positions>,
    events: AtomicU64,
    rows: AtomicU64,
}

impl Horizon {
    /// From now on everything up to these positions is written.
    pub fn advance(&self, positions: Positions) {
        *self.positions.write().unwrap_or_else(PoisonError::into_inner) = positions;
    }

    /// First offset of a partition that is not to be written yet.
    pub fn until(&self, topic: Topic, partition: i32) -> i64 {
        let positions = self.positions.read().unwrap_or_else(PoisonError::into_inner);
        positions.get(&(topic, partition)).map_or(0, |highest| highest + 1)
    }

    /// A batch was written.
    pub fn wrote(&self, events: usize, rows: u64) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Events and rows written so far.
    pub fn written(&self) -> (u64, u64) {
        (self.events.load(Ordering::Relaxed), self.rows.load(Ordering::Relaxed))
    }
}
