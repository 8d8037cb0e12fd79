//! Names of the reconciler's metrics, and the only functions that record them.

use millrace_schemas::event::Reconciliation;
use std::time::{SystemTime, UNIX_EPOCH};

/// Offsets that are not as they must be, by `topic` and `partition`. Alert when it is not 0.
pub const DIFFERENCES: &str = "millrace_reconciler_differences";
/// Offsets that are in the log and not proven yet, by `topic` and `partition`.
pub const PENDING_OFFSETS: &str = "millrace_reconciler_pending_offsets";
/// When a partition was last checked, Unix time in seconds, by `topic` and `partition`. Alert when it stands still.
pub const CHECKED_TIMESTAMP_SECONDS: &str = "millrace_reconciler_checked_timestamp_seconds";
/// Rounds by `outcome` (ok, failed).
pub const ROUNDS_TOTAL: &str = "millrace_reconciler_rounds_total";

pub(super) fn round(outcome: &'static str) {
    metrics::counter!(ROUNDS_TOTAL, "outcome" => outcome).increment(1);
}

pub(super) fn proven(state: &Reconciliation, end: i64) {
    let labels = [("topic", state.topic.clone()), ("partition", state.partition.to_string())];
    metrics::gauge!(DIFFERENCES, &labels).set(state.differences.len() as f64);
    metrics::gauge!(PENDING_OFFSETS, &labels).set((end - state.verified_through).max(0) as f64);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    metrics::gauge!(CHECKED_TIMESTAMP_SECONDS, &labels).set(now.as_secs_f64());
}
