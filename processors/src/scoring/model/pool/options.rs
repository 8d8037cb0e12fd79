//! Settings of a pool.

use serde::{Deserialize, Serialize};

/// How a model is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PoolOptions {
    /// Threads, each with a session: as many scores may hang before others have to wait.
    pub threads: usize,
    /// Scores that may wait for a thread; one more is an `overload`.
    pub queue_max: usize,
    /// Time for a score from when it is asked for, in milliseconds; one that takes longer is a `timeout`.
    pub deadline_ms: u64,
    /// How long the score of a shadow is awaited when that of the active model is there, in milliseconds: nobody waits for it for its
    /// own sake.
    pub shadow_grace_ms: u64,
    /// So many failures or timeouts in a row, and the model is left alone.
    pub breaker_failures: u32,
    /// How long it is left alone before one score is tried again, in milliseconds.
    pub breaker_open_ms: u64,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            threads: 4,
            queue_max: 1_024,
            deadline_ms: 100,
            shadow_grace_ms: 2,
            breaker_failures: 20,
            breaker_open_ms: 5_000,
        }
    }
}

/// More threads than this are a mistake.
const THREADS_MAX: usize = 256;
/// As are longer queues.
const QUEUE_MAX: usize = 1 << 20;

impl PoolOptions {
    /// Whether the figures make sense; else what they should be.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn check(&self) -> Result<(), String> {
        let Self { threads, queue_max, deadline_ms, breaker_failures, .. } = *self;
        if !(1..=THREADS_MAX).contains(&threads) {
            return Err(format!("threads is {threads}; it must be 1 to {THREADS_MAX}"));
        }
        if !(1..=QUEUE_MAX).contains(&queue_max) {
            return Err(format!("queue_max is {queue_max}; it must be 1 to {QUEUE_MAX}"));
        }
        if deadline_ms == 0 || breaker_failures == 0 {
            return Err("deadline_ms and breaker_failures must be at least 1".to_owned());
        }
        Ok(())
    }
}
