//! What a run came to, as a table and as JSON.

use super::{Machine, Measured};
use crate::output::columns;
use millrace_loadgen::open_loop::{Latencies, Quantiles};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

/// A generator that sends one in a hundred later than this cannot hold the rate, in milliseconds.
const LATE_MS: f64 = 1.0;

/// All figures of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    gateway: String,
    machine: Machine,
    /// Asked for, a second.
    rate: u32,
    /// Of each of the two.
    seconds: u32,
    /// Whether the gateway answers with scores; without them, latencies are those of the broker's acknowledgement.
    waits_for_scores: bool,
    answers: Answered,
    round_trip: Trip,
    /// Latencies of answers as multiples of those of the round trip.
    ratio: Quantiles,
}

/// Answers of the gateway. `sent` is the sum of `taken`, `refused` and `unanswered`.
#[derive(Debug, Serialize)]
struct Answered {
    #[serde(flatten)]
    flow: Flow,
    /// Answers that took the transaction (200 or 202).
    taken: u64,
    /// Answers with another status.
    refused: u64,
    /// Requests without a readable answer.
    unanswered: u64,
    /// Of the answers with a score, those with the default one.
    defaults: u64,
    statuses: BTreeMap<u16, u64>,
    decision_sources: BTreeMap<String, u64>,
    /// Why requests have no answer.
    failures: BTreeMap<&'static str, u64>,
}

/// The bare round trip. `sent` is the sum of `returned` and `lost`.
#[derive(Debug, Serialize)]
struct Trip {
    #[serde(flatten)]
    flow: Flow,
    returned: u64,
    lost: u64,
}

/// What both have.
#[derive(Debug, Serialize)]
struct Flow {
    sent: u64,
    /// Sent, a second.
    achieved_rate: f64,
    /// From when each was due until its end, in milliseconds.
    latency_ms: Quantiles,
    /// From when each was due until it went out, in milliseconds: the generator's own share of the latency.
    sent_late_ms: Quantiles,
    /// Whether the generator held the rate, and sent all but one in a hundred within a millisecond of their times.
    held_rate: bool,
}

impl Report {
    pub fn new(rate: u32, seconds: u32, gateway: String, machine: Machine, measured: &Measured) -> Self {
        let (answers, trips) = (&measured.answers, &measured.trips);
        let unanswered = answers.failures.values().sum();
        let answered = Answered {
            flow: Flow::new(rate, answers.sent, answers.sending, &answers.latencies, &answers.lateness),
            taken: answers.taken(),
            refused: answers.sent - answers.taken() - unanswered,
            unanswered,
            defaults: answers.decision_sources.get("default").copied().unwrap_or_default(),
            statuses: answers.statuses.clone(),
            decision_sources: answers.decision_sources.clone(),
            failures: answers.failures.clone(),
        };
        let (returned, lost) = (trips.latencies.count(), trips.lost);
        let flow = Flow::new(rate, returned + lost, trips.sending, &trips.latencies, &trips.lateness);
        Self {
            gateway,
            machine,
            rate,
            seconds,
            waits_for_scores: !answers.decision_sources.is_empty(),
            ratio: answered.flow.latency_ms.to(flow.latency_ms),
            answers: answered,
            round_trip: Trip { flow, returned, lost },
        }
    }

    /// Whether everything sent was taken and came back.
    pub fn is_complete(&self) -> bool {
        self.answers.refused + self.answers.unanswered + self.round_trip.lost == 0
    }
}

impl Flow {
    fn new(rate: u32, sent: u64, sending: Duration, latencies: &Latencies, lateness: &Latencies) -> Self {
        // The first goes out at once: a flow of `sent` takes one pause less than it has records. Each turn begins anew.
        let achieved_rate = sent as f64 / sending.as_secs_f64().max(sent as f64 / f64::from(rate));
        let sent_late_ms = lateness.quantiles();
        let held_rate = sent_late_ms.p99 <= LATE_MS && achieved_rate >= 0.99 * f64::from(rate);
        Self { sent, achieved_rate, latency_ms: latencies.quantiles(), sent_late_ms, held_rate }
    }

    fn line(&self, name: &str, succeeded: u64, failed: u64) -> Vec<String> {
        let mut line = vec![name.to_owned()];
        line.extend(self.latency_ms.all().map(|ms| format!("{ms:.2}")));
        line.extend([format!("{:.0}", self.achieved_rate), succeeded.to_string(), failed.to_string()]);
        line.push(format!("{:.2}", self.sent_late_ms.p99));
        line
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (answers, trip) = (&self.answers, &self.round_trip);
        writeln!(f, "{} a second for {} s each, in turns: {}", self.rate, self.seconds, self.gateway)?;
        writeln!(f, "{}\n", self.machine)?;
        let mut ratio = vec!["ratio".to_owned()];
        ratio.extend(self.ratio.all().map(|ratio| format!("{ratio:.2}")));
        ratio.resize(10, String::new());
        let lines = [
            answers.flow.line("answers", answers.taken, answers.refused + answers.unanswered),
            trip.flow.line("round trip", trip.returned, trip.lost),
            ratio,
        ];
        let heads = ["latency in ms", "p50", "p90", "p99", "p99.9", "max", "sent/s", "done", "failed", "late p99"];
        writeln!(f, "{}", columns(&heads, &lines))?;
        let list = |counts: Vec<String>| counts.join(", ");
        let statuses = list(answers.statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect());
        writeln!(f, "answers: {statuses}; {} defaults", answers.defaults)?;
        if self.waits_for_scores {
            let sources = answers.decision_sources.iter().map(|(source, count)| format!("{count} by {source}"));
            writeln!(f, "decided: {}", list(sources.collect()))?;
        } else {
            writeln!(f, "the gateway does not wait for scores: these are times until the broker had the transaction")?;
        }
        for (reason, count) in &answers.failures {
            writeln!(f, "without an answer: {count} x {reason}")?;
        }
        for (name, flow) in [("answers", &answers.flow), ("round trip", &trip.flow)] {
            if !flow.held_rate {
                writeln!(
                    f,
                    "THE GENERATOR DID NOT KEEP ITS TIMES for the {name}: {:.0} of {} a second, one in a hundred sent more than {:.1} ms late \
                     and the latest {:.1} ms; the latencies hold that too",
                    flow.achieved_rate, self.rate, flow.sent_late_ms.p99, flow.sent_late_ms.max
                )?;
            }
        }
        Ok(())
    }
}
