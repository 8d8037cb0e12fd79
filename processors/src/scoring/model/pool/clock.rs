//! The time by which deadlines are told; given, so that tests need not wait.

use std::time::Instant;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now; never earlier than before.
    fn now(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
}
