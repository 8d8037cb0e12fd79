//! Names of the gateway's metrics, and the only functions that record them.

use crate::answer::Status;
use http::{Method, StatusCode};
use millrace_schemas::{Topic, event::DecisionSource};
use std::time::Duration;

/// HTTP requests by `method`, `endpoint` and `status_code`. The name is one that existing dashboards know.
pub const REQUESTS_TOTAL: &str = "antifraud_requests_total";
/// Seconds a request took, by `method` and `endpoint`. The name is one that existing dashboards know.
pub const REQUEST_DURATION_SECONDS: &str = "antifraud_request_duration_seconds";
/// Requests being answered now. The name is one that existing dashboards know.
pub const ACTIVE_REQUESTS: &str = "antifraud_active_requests";
/// Items of requests by `topic` and `outcome` (accepted, duplicate, conflict, invalid, too_large, retry).
pub const ITEMS_TOTAL: &str = "millrace_gateway_items_total";
/// Requests refused as a whole, by `code`.
pub const REFUSED_TOTAL: &str = "millrace_gateway_refused_total";
/// Bytes of bodies, after decompression.
pub const BODY_BYTES_TOTAL: &str = "millrace_gateway_body_bytes_total";
/// Seconds from the first append of a request to its last acknowledgement, by `topic`.
pub const ACK_SECONDS: &str = "millrace_gateway_ack_seconds";
/// Transactions that clients waited for, by `decision_source` of the answer (model, rules, default).
pub const SCORES_TOTAL: &str = "millrace_gateway_scores_total";
/// Seconds such a client waited, by `decision_source`.
pub const SCORE_SECONDS: &str = "millrace_gateway_score_seconds";
/// Audit events that were not acknowledged in time; an operator should know.
pub const AUDIT_LOST_TOTAL: &str = "millrace_gateway_audit_lost_total";
/// Memory charged to requests in flight, in bytes.
pub const IN_FLIGHT_BYTES: &str = "millrace_gateway_in_flight_bytes";
/// 1 when the gateway can have events acknowledged, else 0.
pub const READY: &str = "millrace_gateway_ready";
/// Open connections.
pub const CONNECTIONS: &str = "millrace_gateway_connections";

/// Counts a request as active until dropped.
pub(crate) struct Active(());

impl Active {
    pub fn new() -> Self {
        metrics::gauge!(ACTIVE_REQUESTS).increment(1.0);
        Self(())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        metrics::gauge!(ACTIVE_REQUESTS).decrement(1.0);
    }
}

/// Counts a connection as open until dropped.
pub(crate) struct Open(());

impl Open {
    pub fn new() -> Self {
        metrics::gauge!(CONNECTIONS).increment(1.0);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!(CONNECTIONS).decrement(1.0);
    }
}

pub(crate) fn answered(method: &Method, endpoint: &str, status: StatusCode, took: Duration) {
    let (method, endpoint) = (method_name(method), endpoint.to_owned());
    let code = status.as_str().to_owned();
    metrics::counter!(REQUESTS_TOTAL, "method" => method, "endpoint" => endpoint.clone(), "status_code" => code)
        .increment(1);
    metrics::histogram!(REQUEST_DURATION_SECONDS, "method" => method, "endpoint" => endpoint)
        .record(took.as_secs_f64());
}

/// A client may send any method; labels are bounded.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "OTHER",
    }
}

pub(crate) fn item(topic: Topic, status: Status) {
    metrics::counter!(ITEMS_TOTAL, "topic" => topic.name(), "outcome" => status.name()).increment(1);
}

pub(crate) fn refused(code: &'static str) {
    metrics::counter!(REFUSED_TOTAL, "code" => code).increment(1);
}

pub(crate) fn body(bytes: usize) {
    metrics::counter!(BODY_BYTES_TOTAL).increment(bytes as u64);
}

pub(crate) fn acknowledged(topic: Topic, took: Duration) {
    metrics::histogram!(ACK_SECONDS, "topic" => topic.name()).record(took.as_secs_f64());
}

/// Counts an answer to who waited; without a source it was the default.
pub(crate) fn scored(source: Option<DecisionSource>, took: Duration) {
    let source = source.unwrap_or(DecisionSource::Default).name();
    metrics::counter!(SCORES_TOTAL, "decision_source" => source).increment(1);
    metrics::histogram!(SCORE_SECONDS, "decision_source" => source).record(took.as_secs_f64());
}

pub(crate) fn audit_lost(events: u64) {
    metrics::counter!(AUDIT_LOST_TOTAL).increment(events);
}

/// What is known only when asked.
pub(crate) fn state(in_flight_bytes: usize, ready: bool) {
    metrics::gauge!(IN_FLIGHT_BYTES).set(in_flight_bytes as f64);
    metrics::gauge!(READY).set(if ready { 1.0 } else { 0.0 });
}
