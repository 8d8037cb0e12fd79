//! Models on threads of their own: a bounded queue, a deadline for each score, and a breaker.
//!
//! The caller asks for several scores and takes them in the order it asked. What does not come in time has a [`Cause`] instead, and the
//! caller goes on; what comes later is counted and dropped. A model that hangs keeps one thread: while another is free, nobody else waits.

mod clock;
mod options;
mod ticket;
mod worker;

pub use clock::{Clock, SystemClock};
pub use options::PoolOptions;
pub use ticket::{Cause, Ticket};

use super::{
    breaker::Breaker,
    engine::EngineError,
    loaded::{Model, Scorer},
    metrics::{Gauges, Tally},
};
use crate::scoring::features::Features;
use crossbeam_channel::{Sender, TrySendError, bounded};
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use ticket::Slot;
use worker::Job;

/// One model on some threads. When it is dropped, the threads end with what they have begun; nobody waits for them.
pub struct Pool {
    model: Arc<Model>,
    jobs: Sender<Job>,
    shared: Arc<Shared>,
    limit: Duration,
    shadow_grace: Duration,
}

/// What threads and tickets have in common.
struct Shared {
    breaker: Mutex<Breaker>,
    clock: Arc<dyn Clock>,
    counts: Counts,
    gauges: Gauges,
}

/// How scores ended, since the pool began.
struct Counts {
    ok: Tally,
    timeout: Tally,
    overload: Tally,
    model_error: Tally,
    breaker_open: Tally,
    dropped: Tally,
    late: Tally,
}

/// How many scores ended how, since a pool began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Came in time.
    pub ok: u64,
    /// Did not come in time.
    pub timeout: u64,
    /// Found no room in the queue.
    pub overload: u64,
    /// Failed.
    pub model_error: u64,
    /// Were not asked for, since the model failed too often.
    pub breaker_open: u64,
    /// Were not waited for by whoever asked.
    pub dropped: u64,
    /// Came, or would have been begun, when nobody waited for them any more. Each is one of `timeout` or `dropped` too.
    pub late: u64,
}

/// A pool could not begin.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Its options make no sense.
    #[error("model pool: {0}")]
    Options(String),
    /// A thread's engine could not be made.
    #[error("the model cannot be run on one more thread: {0}")]
    Engine(#[from] EngineError),
    /// A thread could not be started.
    #[error("no thread can be started for the model: {0}")]
    Thread(#[from] std::io::Error),
}

impl Pool {
    /// A pool with a session for each thread.
    ///
    /// # Errors
    /// When its options make no sense, or a session or thread cannot be had.
    pub fn new(model: Arc<Model>, options: &PoolOptions) -> Result<Self, PoolError> {
        Self::with_clock(model, options, Arc::new(SystemClock))
    }

    /// The same, by another clock.
    ///
    /// # Errors
    /// As [`Pool::new`].
    pub fn with_clock(model: Arc<Model>, options: &PoolOptions, clock: Arc<dyn Clock>) -> Result<Self, PoolError> {
        options.check().map_err(PoolError::Options)?;
        let breaker = Breaker::new(options.breaker_failures, Duration::from_millis(options.breaker_open_ms));
        let shared = Arc::new(Shared {
            breaker: Mutex::new(breaker),
            clock,
            counts: Counts::of(model.id()),
            gauges: Gauges::new(model.id()),
        });
        let (jobs, queue) = bounded(options.queue_max);
        for number in 0..options.threads {
            let scorer = Scorer::new(Arc::clone(&model))?;
            let (queue, shared) = (queue.clone(), Arc::clone(&shared));
            let thread = std::thread::Builder::new().name(format!("model-{number}"));
            thread.spawn(move || worker::run(scorer, &queue, &shared))?;
        }
        let [limit, shadow_grace] = [options.deadline_ms, options.shadow_grace_ms].map(Duration::from_millis);
        Ok(Self { model, jobs, shared, limit, shadow_grace })
    }

    /// The model that scores.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// How long its scores are awaited where it is the shadow.
    pub fn shadow_grace(&self) -> Duration {
        self.shadow_grace
    }

    /// Asks for a score, without waiting. The ticket's own deadline is the configured time from now.
    pub fn score(&self, features: &Features) -> Ticket {
        self.score_row(self.model.row(features))
    }

    /// The same for a row of [`Model::row`].
    pub fn score_row(&self, row: Vec<f32>) -> Ticket {
        let now = self.shared.clock.now();
        let deadline = now + self.limit;
        if !self.shared.breaker(|breaker| breaker.allows(now)) {
            return Ticket::refused(Cause::BreakerOpen, deadline, &self.shared);
        }
        let slot = Arc::new(Slot::new());
        // Counted before a thread can take it, so that the gauge never falls below zero.
        self.shared.gauges.pending.increment(1.0);
        match self.jobs.try_send(Job { row, slot: Arc::clone(&slot) }) {
            Ok(()) => Ticket::waiting(slot, deadline, &self.shared),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.gauges.pending.decrement(1.0);
                Ticket::refused(Cause::Overload, deadline, &self.shared)
            }
        }
    }

    /// How scores ended until now.
    pub fn counted(&self) -> Counted {
        self.shared.counts.now()
    }
}

impl Shared {
    fn breaker<T>(&self, with: impl FnOnce(&mut Breaker) -> T) -> T {
        with(&mut self.breaker.lock())
    }

    fn succeeded(&self) {
        let closed = self.breaker(|breaker| {
            let was_open = breaker.is_open();
            breaker.succeeded();
            was_open && !breaker.is_open()
        });
        if closed {
            self.gauges.breaker_open.set(0.0);
            tracing::info!("the model answers again");
        }
    }

    fn failed(&self, now: Instant) {
        let opened = self.breaker(|breaker| {
            let was_open = breaker.is_open();
            breaker.failed(now);
            !was_open && breaker.is_open()
        });
        if opened {
            self.gauges.breaker_open.set(1.0);
            tracing::warn!("the model failed too often in a row and is not asked for a while");
        }
    }
}

impl Counts {
    fn of(model: &str) -> Self {
        let outcome = |name| Tally::of_outcome(model, name);
        Self {
            ok: outcome("ok"),
            timeout: outcome(Cause::Timeout.name()),
            overload: outcome(Cause::Overload.name()),
            model_error: outcome(Cause::ModelError.name()),
            breaker_open: outcome(Cause::BreakerOpen.name()),
            dropped: outcome("dropped"),
            late: Tally::late(model),
        }
    }

    fn of_cause(&self, cause: Cause) -> &Tally {
        match cause {
            Cause::Timeout => &self.timeout,
            Cause::Overload => &self.overload,
            Cause::ModelError => &self.model_error,
            Cause::BreakerOpen => &self.breaker_open,
        }
    }

    fn now(&self) -> Counted {
        Counted {
            ok: self.ok.get(),
            timeout: self.timeout.get(),
            overload: self.overload.get(),
            model_error: self.model_error.get(),
            breaker_open: self.breaker_open.get(),
            dropped: self.dropped.get(),
            late: self.late.get(),
        }
    }
}
