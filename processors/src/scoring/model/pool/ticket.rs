//! A score that was asked for.

use super::Shared;
use crate::scoring::model::{engine::EngineError, loaded::ModelScore};
use parking_lot::{Condvar, Mutex};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Why there is no score. It is recorded as a fact and never decided again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// It did not come in time.
    Timeout,
    /// Too many wait already.
    Overload,
    /// The model failed.
    ModelError,
    /// The model failed too often, and is left alone for a while.
    BreakerOpen,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 4] = [Self::Timeout, Self::Overload, Self::ModelError, Self::BreakerOpen];

    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Overload => "overload",
            Self::ModelError => "model_error",
            Self::BreakerOpen => "breaker_open",
        }
    }

    /// The cause of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a thread puts a score and its ticket finds it.
pub(super) struct Slot {
    content: Mutex<Content>,
    filled: Condvar,
}

enum Content {
    Awaited,
    Filled(Result<ModelScore, EngineError>),
    /// Nobody waits any more.
    Abandoned,
}

impl Slot {
    pub fn new() -> Self {
        Self { content: Mutex::new(Content::Awaited), filled: Condvar::new() }
    }

    pub fn is_abandoned(&self) -> bool {
        matches!(*self.content.lock(), Content::Abandoned)
    }

    /// Puts in what came; false when nobody waits any more. Only what is waited for is told first, to `tell`: whoever then has the
    /// score finds that done.
    pub fn fill(
        &self,
        score: Result<ModelScore, EngineError>,
        tell: impl FnOnce(&Result<ModelScore, EngineError>),
    ) -> bool {
        let mut content = self.content.lock();
        let awaited = matches!(*content, Content::Awaited);
        if awaited {
            tell(&score);
            *content = Content::Filled(score);
            self.filled.notify_one();
        }
        awaited
    }
}

/// A score that was asked for. Several can be had at once, and be waited for in any order.
#[must_use = "a score that nobody waits for is computed in vain"]
pub struct Ticket {
    /// Where the score will be, or why there will be none; nothing once it was taken.
    awaited: Option<Result<Arc<Slot>, Cause>>,
    deadline: Instant,
    shared: Arc<Shared>,
}

impl Ticket {
    pub(super) fn waiting(slot: Arc<Slot>, deadline: Instant, shared: &Arc<Shared>) -> Self {
        Self { awaited: Some(Ok(slot)), deadline, shared: Arc::clone(shared) }
    }

    pub(super) fn refused(cause: Cause, deadline: Instant, shared: &Arc<Shared>) -> Self {
        Self { awaited: Some(Err(cause)), deadline, shared: Arc::clone(shared) }
    }

    /// Until when the score may come, by the pool's options.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether waiting has an end, after this time at most: the score is there, or will not come in time.
    pub fn is_ready_within(&self, time: Duration) -> bool {
        let Some(Ok(slot)) = &self.awaited else { return true };
        let mut content = slot.content.lock();
        if !matches!(*content, Content::Awaited) {
            return true;
        }
        let left = self.deadline.saturating_duration_since(self.shared.clock.now());
        if left.is_zero() || time.is_zero() {
            return left.is_zero();
        }
        slot.filled.wait_for(&mut content, time.min(left));
        !matches!(*content, Content::Awaited) || self.shared.clock.now() >= self.deadline
    }

    /// The score, if it comes by its deadline.
    ///
    /// # Errors
    /// Why there is none.
    pub fn wait(self) -> Result<ModelScore, Cause> {
        let deadline = self.deadline;
        self.wait_until(deadline)
    }

    /// The score, if it comes until then, by the pool's clock. One that is there already is given however late it is asked for.
    ///
    /// # Errors
    /// Why there is none.
    pub fn wait_until(mut self, deadline: Instant) -> Result<ModelScore, Cause> {
        let score = match self.awaited.take() {
            Some(Ok(slot)) => self.wait_for(&slot, deadline),
            Some(Err(cause)) => Err(cause),
            None => unreachable!("a ticket is used up by waiting"),
        };
        let counts = &self.shared.counts;
        match &score {
            Ok(_) => &counts.ok,
            Err(cause) => counts.of_cause(*cause),
        }
        .add_one();
        score
    }

    /// Scores of several tickets in their order, each if it comes by its deadline.
    ///
    /// The last is waited for first: when it is there, so are most before it, and whoever waits is woken once instead of each time. That
    /// takes half the CPU time of waiting for one after the other.
    pub fn wait_all(tickets: Vec<Self>) -> Vec<Result<ModelScore, Cause>> {
        let mut scores: Vec<_> = tickets.into_iter().rev().map(Self::wait).collect();
        scores.reverse();
        scores
    }

    fn wait_for(&self, slot: &Slot, deadline: Instant) -> Result<ModelScore, Cause> {
        let mut content = slot.content.lock();
        loop {
            if let Content::Filled(score) = std::mem::replace(&mut *content, Content::Awaited) {
                return score.map_err(|_| Cause::ModelError);
            }
            let now = self.shared.clock.now();
            if now >= deadline {
                *content = Content::Abandoned;
                drop(content);
                self.shared.failed(now);
                return Err(Cause::Timeout);
            }
            slot.filled.wait_for(&mut content, deadline - now);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(awaited) = self.awaited.take() else { return };
        self.shared.counts.dropped.add_one();
        if let Ok(slot) = awaited {
            *slot.content.lock() = Content::Abandoned;
        }
    }
}
