//! What a run of sending came to.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Final figures of a run.
#[derive(Debug, Clone, Serialize)]
pub struct SendReport {
    /// Where the items went.
    pub url: String,
    /// Items by what became of them.
    pub items: ItemCounts,
    /// Items by the error codes in their answers; an item with two codes is counted under both.
    pub error_codes: BTreeMap<String, u64>,
    /// Answers by HTTP status.
    pub http_statuses: BTreeMap<u16, u64>,
    /// Requests made, repeated ones included.
    pub requests: u64,
    /// Requests that sent items again.
    pub repeated_requests: u64,
    /// Requests that got no answer.
    pub connection_errors: u64,
    /// Bytes of all bodies sent.
    pub body_bytes: u64,
    /// Duration in seconds.
    pub elapsed_seconds: f64,
    /// Items with a final answer, per second.
    pub items_per_second: f64,
    /// Time from sending a request to the end of its answer.
    pub latency_ms: LatencyMs,
    /// Why the run ended before all files were read and sent; null when it did not.
    pub stopped: Option<String>,
}

/// Items by what became of them. All but `read` add up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ItemCounts {
    /// Read from the files.
    pub read: u64,
    /// Stored by this run.
    pub accepted: u64,
    /// Stored before, with the same content.
    pub duplicate: u64,
    /// Refused: stored before, with other content.
    pub conflict: u64,
    /// Refused: breaks a rule.
    pub invalid: u64,
    /// Refused for its size.
    pub too_large: u64,
    /// Read, but without a final answer.
    pub unsent: u64,
}

/// Latency in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LatencyMs {
    /// Half of the answers came within.
    pub p50: f64,
    /// 90 % came within.
    pub p90: f64,
    /// 99 % came within.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl LatencyMs {
    pub(super) fn of(latency_us: &Histogram<u64>) -> Self {
        let ms = |quantile| latency_us.value_at_quantile(quantile) as f64 / 1000.0;
        LatencyMs { p50: ms(0.5), p90: ms(0.9), p99: ms(0.99), max: latency_us.max() as f64 / 1000.0 }
    }
}

impl SendReport {
    /// Whether every item of every file has a final answer, if only a refusal.
    pub fn is_complete(&self) -> bool {
        self.stopped.is_none() && self.items.unsent == 0
    }

    /// Exit code of the command: 0 when complete, 1 when anything was left unread or unsent.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.is_complete())
    }
}

impl fmt::Display for SendReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = &self.items;
        writeln!(f, "sent to {}", self.url)?;
        writeln!(f, "  items     {} read: {} accepted, {} duplicate", items.read, items.accepted, items.duplicate)?;
        writeln!(
            f,
            "  refused   {} invalid, {} conflict, {} too large",
            items.invalid, items.conflict, items.too_large
        )?;
        for (code, count) in &self.error_codes {
            writeln!(f, "            {count} {code}")?;
        }
        let statuses: Vec<_> = self.http_statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        let answers = if statuses.is_empty() { "no answers".to_owned() } else { statuses.join(", ") };
        writeln!(f, "  requests  {}: {answers}", self.requests)?;
        writeln!(f, "            {} repeated, {} without an answer", self.repeated_requests, self.connection_errors)?;
        let LatencyMs { p50, p90, p99, max } = self.latency_ms;
        writeln!(f, "  latency   p50 {p50:.1} ms, p90 {p90:.1} ms, p99 {p99:.1} ms, max {max:.1} ms")?;
        let megabytes = self.body_bytes as f64 / 1e6;
        writeln!(
            f,
            "  rate      {:.0} items/s over {:.1} s, {megabytes:.1} MB",
            self.items_per_second, self.elapsed_seconds
        )?;
        if items.unsent > 0 {
            writeln!(f, "  unsent    {} of the items read", items.unsent)?;
        }
        if let Some(reason) = &self.stopped {
            writeln!(f, "  stopped   {reason}")?;
        }
        Ok(())
    }
}
