//! Matching: which transaction paid a receipt.
//!
//! Scored transactions and purchases come in one order for each place ([`relays::Merging`]: the merchant of a transaction is the place of
//! its receipt). [`Matching`] remembers those that have found nobody yet, for a while by the log's clock:
//!
//! - A receipt that names its transaction (`payment_transaction_id`) is paid by that one and no other. Where amount, currency or time
//!   differ the outcome is a mismatch with both figures, and the transaction is taken all the same: the till has said which it was.
//! - Any other receipt is paid by a transaction of the same place and currency that is nearest in time, within a limit, over its total
//!   with the tips or without them. Of two equally near ones the one that came first into the log is taken.
//! - A transaction that comes looks in the same way among the receipts that wait: first those that name it.
//! - A receipt that nobody paid while it waited is an orphan. A transaction without receipt is nothing to tell: most have none.
//!
//! Returns and receipts over nothing are not matched: no payment is of them.
//!
//! One to one: what was matched is gone. What was decided stays: a nearer transaction that comes later changes nothing.
//!
//! - `desk`: what waits in a partition, and what becomes of an input.
//! - `pool`: what waits at one place, and finding the nearest.
//! - [`relays`]: bringing inputs together, and telling each receipt's outcome by itself.

mod desk;
mod pool;
pub mod relays;

pub use desk::Desk;

use millrace_runtime::processor::Processor;
use millrace_schemas::{
    event::MatchStep,
    time::{DAY_MS, HOUR_MS},
};
use serde::{Deserialize, Serialize};

/// Most receipts that one input settles; the others are settled by the next ones. So an output always fits its topic.
pub const SETTLED_MAX: usize = 2_000;

/// The section `[matching]`: limits of matching. Every process must be given the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MatchingConfig {
    /// How far a receipt and the transaction that paid it may lie apart by their own times, in milliseconds.
    pub time_within_ms: i64,
    /// How long a receipt waits for its transaction and a transaction for its receipt, in milliseconds of the broker's time.
    pub wait_ms: i64,
    /// Most receipts, and most transactions, that wait at one place; the one that has waited longest makes room.
    pub waiting_per_place_max: usize,
    /// Most of both that wait in one partition: about a kilobyte of memory each. The one that has waited longest makes room.
    pub waiting_max: usize,
    /// How long nothing must come into a partition before a tick is written for it, in milliseconds: by so much orphans may be late.
    pub tick_ms: u64,
}

impl Default for MatchingConfig {
    fn default() -> Self {
        Self {
            time_within_ms: HOUR_MS / 4,
            wait_ms: DAY_MS,
            waiting_per_place_max: 20_000,
            waiting_max: 200_000,
            tick_ms: 10_000,
        }
    }
}

/// A limit that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("matching.{0} must be {1}")]
pub struct BadLimit(&'static str, &'static str);

impl MatchingConfig {
    /// The limits, when matching can keep them.
    ///
    /// # Errors
    /// The first one that it cannot.
    pub fn checked(self) -> Result<Self, BadLimit> {
        let wrong = [
            (self.time_within_ms < 0, "time_within_ms", "0 or more"),
            (self.wait_ms < 1, "wait_ms", "1 or more"),
            (self.waiting_per_place_max < 1, "waiting_per_place_max", "1 or more"),
            (self.waiting_max < self.waiting_per_place_max, "waiting_max", "waiting_per_place_max or more"),
            (self.tick_ms < 1, "tick_ms", "1 or more"),
        ];
        let found = wrong.into_iter().find(|(is_wrong, ..)| *is_wrong);
        found.map_or(Ok(self), |(_, name, must_be)| Err(BadLimit(name, must_be)))
    }
}

/// The processor that matches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Matching {
    limits: MatchingConfig,
}

impl Matching {
    /// Matching within limits.
    pub fn within(limits: MatchingConfig) -> Self {
        Self { limits }
    }
}

impl Processor for Matching {
    const NAME: &'static str = "matching";
    type Out = MatchStep;
    type Memory = Desk;

    fn memory(&self) -> Desk {
        Desk::within(self.limits)
    }

    /// What waits depends on the limits.
    fn memory_version(&self) -> String {
        format!("1 {:?}", self.limits)
    }
}
