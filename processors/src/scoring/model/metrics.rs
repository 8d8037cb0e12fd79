//! Names of the models' metrics, and what counts by them.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Scores asked of a model, by `model` and `outcome` (ok, timeout, overload, model_error, breaker_open, dropped).
pub const MODEL_SCORES_TOTAL: &str = "millrace_model_scores_total";
/// Scores that came when nobody waited for them any more, or were not begun for that reason, by `model`.
pub const MODEL_LATE_TOTAL: &str = "millrace_model_late_total";
/// Seconds a score took on its thread, by `model`.
pub const MODEL_SCORE_SECONDS: &str = "millrace_model_score_seconds";
/// Scores that wait for a thread or are being computed, by `model`.
pub const MODEL_PENDING: &str = "millrace_model_pending";
/// 1 while a model is not asked since it failed too often, else 0, by `model`.
pub const MODEL_BREAKER_OPEN: &str = "millrace_model_breaker_open";

/// A number that only grows, here and among the metrics.
pub(super) struct Tally {
    own: AtomicU64,
    metric: ::metrics::Counter,
}

impl Tally {
    pub fn of_outcome(model: &str, outcome: &'static str) -> Self {
        Self::new(::metrics::counter!(MODEL_SCORES_TOTAL, "model" => model.to_owned(), "outcome" => outcome))
    }

    pub fn late(model: &str) -> Self {
        Self::new(::metrics::counter!(MODEL_LATE_TOTAL, "model" => model.to_owned()))
    }

    fn new(metric: ::metrics::Counter) -> Self {
        Self { own: AtomicU64::new(0), metric }
    }

    pub fn add_one(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
        self.metric.increment(1);
    }

    pub fn get(&self) -> u64 {
        self.own.load(Ordering::Relaxed)
    }
}

/// What changes up and down, and how long scores take.
pub(super) struct Gauges {
    pub pending: ::metrics::Gauge,
    pub breaker_open: ::metrics::Gauge,
    took: ::metrics::Histogram,
}

impl Gauges {
    pub fn new(model: &str) -> Self {
        Self {
            pending: ::metrics::gauge!(MODEL_PENDING, "model" => model.to_owned()),
            breaker_open: ::metrics::gauge!(MODEL_BREAKER_OPEN, "model" => model.to_owned()),
            took: ::metrics::histogram!(MODEL_SCORE_SECONDS, "model" => model.to_owned()),
        }
    }

    pub fn took(&self, time: Duration) {
        self.took.record(time.as_secs_f64());
    }
}
