//! Names of the live stream's metrics, and the only functions that record them.

/// Clients that follow the stream.
pub const CLIENTS: &str = "millrace_stream_clients";
/// Events given to clients, by `event` (score, alert).
pub const EVENTS_TOTAL: &str = "millrace_stream_events_total";
/// Records passed over since they cannot be decoded.
pub const UNDECODED_TOTAL: &str = "millrace_stream_undecoded_total";
/// Streams that ended, by `reason` (left, slow, shutdown, failed).
pub const ENDED_TOTAL: &str = "millrace_stream_ended_total";

/// Counts a client until dropped.
pub(super) struct Client(());

impl Client {
    pub fn new() -> Self {
        metrics::gauge!(CLIENTS).increment(1.0);
        Self(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        metrics::gauge!(CLIENTS).decrement(1.0);
    }
}

pub(super) fn event(name: &'static str) {
    metrics::counter!(EVENTS_TOTAL, "event" => name).increment(1);
}

pub(super) fn undecoded() {
    metrics::counter!(UNDECODED_TOTAL).increment(1);
}

pub(super) fn ended(reason: &'static str) {
    metrics::counter!(ENDED_TOTAL, "reason" => reason).increment(1);
}
