//! Names of the runtime's metrics, and the only functions that record them.

use std::time::Duration;

/// Records a processor decided, by `processor` and `outcome` (emit, duplicate, dead_letter, done).
pub const PROCESSOR_RECORDS_TOTAL: &str = "millrace_processor_records_total";
/// Kafka transactions a processor committed, by `processor`.
pub const PROCESSOR_COMMITS_TOTAL: &str = "millrace_processor_commits_total";
/// Seconds from a transaction's begin to its commit, by `processor`.
pub const PROCESSOR_COMMIT_SECONDS: &str = "millrace_processor_commit_seconds";
/// Replies a processor wrote to waiting gateways, by `processor` and `outcome` (sent, dropped).
pub const PROCESSOR_REPLIES_TOTAL: &str = "millrace_processor_replies_total";
/// Age of the oldest record that is read but not yet committed, in seconds, by `worker`; 0 when there is none.
pub const WORKER_OLDEST_UNFINISHED_SECONDS: &str = "millrace_worker_oldest_unfinished_seconds";
/// 1 while an operator has a worker paused, else 0, by `worker`.
pub const WORKER_PAUSED: &str = "millrace_worker_paused";
/// Times a worker started over after a passing error, by `worker`.
pub const WORKER_RESTARTS_TOTAL: &str = "millrace_worker_restarts_total";
/// Records a sink wrote, by `sink` and `topic`.
pub const SINK_RECORDS_TOTAL: &str = "millrace_sink_records_total";
/// Records a sink left out since their sources were seen before, as a torn transaction leaves them, by `sink` and `topic`.
pub const SINK_SECOND_COPIES_TOTAL: &str = "millrace_sink_second_copies_total";
/// Seconds a sink's write of one batch took, by `sink` and `outcome` (ok, transient, poison, fatal).
pub const SINK_WRITE_SECONDS: &str = "millrace_sink_write_seconds";
/// Offsets a group has not committed yet, by `group` and `topic`.
pub const CONSUMER_LAG: &str = "millrace_consumer_lag";
/// Versions a gatherer wrote, by `worker`.
pub const GATHERED_VERSIONS_TOTAL: &str = "millrace_gathered_versions_total";
/// Records a relay has passed on, by `worker`.
pub const RELAY_RECORDS_TOTAL: &str = "millrace_relay_records_total";
/// Records a relay could not read, by `worker`: somebody else wrote them.
pub const RELAY_UNREADABLE_TOTAL: &str = "millrace_relay_unreadable_total";
/// Seconds a relay's transaction took, by `worker`.
pub const RELAY_COMMIT_SECONDS: &str = "millrace_relay_commit_seconds";
/// Events a producer appended, by `topic` and `outcome` (ok, unavailable, too_large).
pub const PRODUCER_EVENTS_TOTAL: &str = "millrace_producer_events_total";

pub(crate) fn count(name: &'static str, labels: &[(&'static str, String)], by: u64) {
    ::metrics::counter!(name, labels).increment(by);
}

pub(crate) fn gauge(name: &'static str, labels: &[(&'static str, String)], value: f64) {
    ::metrics::gauge!(name, labels).set(value);
}

pub(crate) fn seconds(name: &'static str, labels: &[(&'static str, String)], took: Duration) {
    ::metrics::histogram!(name, labels).record(took.as_secs_f64());
}
