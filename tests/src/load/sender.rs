//! One client over HTTP: sends its items again and again until each is answered for good.

use super::{
    Shared,
    books::{Books, Final, Told},
    items::{Class, Item, Items, Kind},
};
use millrace_runtime::lifecycle::Shutdown;
use serde::Deserialize;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Items of one request.
pub const BATCH: usize = 100;
/// How long the gateway waits for a score; a processor that was killed is not back by then.
const SCORE_WITHIN_MS: u64 = 1_000;
/// Pause before a request is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long a client goes on trying one batch; more than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(240);
/// A client hears nothing of a gateway that was killed behind a proxy; here the answer is given up sooner.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// A client.
pub struct Sender {
    client: reqwest::Client,
    gateways: Vec<String>,
    /// The gateway it asks now.
    current: usize,
    books: Books,
    shared: Arc<Shared>,
    /// Whether it sends one item at a time and waits for its score.
    waits: bool,
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Verdict>,
}

/// What an answer says of one item.
#[derive(Deserialize)]
struct Verdict {
    status: String,
    partition: Option<i32>,
    offset: Option<i64>,
    // Of whoever waited.
    decision_source: Option<String>,
    decision: Option<String>,
    /// With the digits that it was told with.
    scoring: Option<serde_json::Number>,
}

impl Verdict {
    fn told(&self) -> Option<Told<'_>> {
        let (source, decision) = (self.decision_source.as_deref()?, self.decision.as_deref()?);
        Some(Told { source, decision, scoring: self.scoring.as_ref()? })
    }
}

impl Sender {
    /// A client that first asks the gateway of its number.
    pub fn new(gateways: Vec<String>, number: usize, books: Books, shared: Arc<Shared>) -> Self {
        // The machine's proxy is not for the loopback address, whatever its settings say.
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build().expect("a client");
        let current = number % gateways.len();
        Self { client, gateways, current, books, shared, waits: false }
    }

    /// The same client, sending one item at a time and waiting for its score.
    pub fn waiting(self) -> Self {
        Self { waits: true, ..self }
    }

    /// Sends a batch at every beat, or when the last one is done, until it is told to stop.
    pub async fn run(mut self, mut items: Items, pace: Duration, stop: Shutdown) {
        let mut beat = interval(pace);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            beat.tick().await;
            let batch = items.batch(if self.waits { 1 } else { BATCH });
            self.deliver(&batch, items.kind()).await;
            items.acknowledged(batch);
        }
    }

    async fn deliver(&mut self, batch: &[Item], kind: Kind) {
        let first = self.books.send(batch);
        let until = Instant::now() + PATIENCE;
        let mut open: Vec<(u64, &Item)> = (first..).zip(batch).collect();
        while !open.is_empty() {
            assert!(Instant::now() < until, "{} items are not answered after {} s", open.len(), PATIENCE.as_secs());
            let before = open.len();
            if let Some(verdicts) = self.post(&open, kind).await {
                let finals: Vec<(u64, Final<'_>)> = open
                    .iter()
                    .zip(&verdicts)
                    .filter_map(|((number, item), verdict)| Some((*number, judged(item.class, verdict)?)))
                    .collect();
                self.books.answered(&finals);
                let mut verdicts = verdicts.iter();
                open.retain(|(_, item)| verdicts.next().is_none_or(|verdict| judged(item.class, verdict).is_none()));
                self.shared.acknowledged.fetch_add((before - open.len()) as u64, Ordering::Relaxed);
            }
            if open.len() == before {
                self.shared.failed.fetch_add(1, Ordering::Relaxed);
                self.current = (self.current + 1) % self.gateways.len();
                sleep(AGAIN_AFTER).await;
            }
        }
    }

    /// What is said of the items; `None` when there is no answer, or one that says nothing of them.
    async fn post(&self, items: &[(u64, &Item)], kind: Kind) -> Option<Vec<Verdict>> {
        let path = match kind {
            Kind::Transaction => "transactions",
            Kind::Receipt => "receipts",
        };
        let bodies: Vec<&str> = items.iter().map(|(_, item)| item.body.as_str()).collect();
        let url = format!("{}/api/v1/{path}", self.gateways[self.current]);
        let (url, body) = match (self.waits, bodies.as_slice()) {
            (true, [body]) => (format!("{url}?timeout_ms={SCORE_WITHIN_MS}"), (*body).to_owned()),
            _ => (url, format!("[{}]", bodies.join(","))),
        };
        let request = self.client.post(url).header("content-type", "application/json");
        let answer = request.body(body).send().await.ok()?;
        let status = answer.status();
        let body = answer.bytes().await.ok()?;
        let results = match self.waits {
            true => serde_json::from_slice::<Verdict>(&body).ok().map(|verdict| vec![verdict]),
            false => serde_json::from_slice::<Answer>(&body).ok().map(|answer| answer.results),
        };
        assert!(results.is_some() || status.is_server_error(), "{status} {}", String::from_utf8_lossy(&body));
        results.filter(|results| results.len() == items.len())
    }
}

/// What a verdict on an item of a class means; `None` when it is none.
fn judged(class: Class, verdict: &Verdict) -> Option<Final<'_>> {
    let status = verdict.status.as_str();
    let stored = verdict.partition.zip(verdict.offset);
    Some(match (class, status, stored) {
        (_, "retry", _) => return None,
        (Class::Invalid, "invalid", _) => Final::Refused(status),
        // Of two contents of an id, a gateway that knows only the later one refuses the earlier.
        (Class::Again | Class::Conflict, "conflict", _) => Final::Refused(status),
        (Class::New | Class::Again | Class::Conflict, "accepted" | "duplicate", Some((partition, offset))) => {
            Final::Acknowledged { status, partition, offset, told: verdict.told() }
        }
        _ => Final::Unexpected(status),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_new_item_is_acknowledged_or_open_and_anything_else_is_entered_as_unexpected() {
        let verdict = |status: &str| {
            serde_json::from_value::<Verdict>(json!({"status": status, "partition": 1, "offset": 2}))
                .expect("a verdict")
        };
        let acknowledged = |status| Some(Final::Acknowledged { status, partition: 1, offset: 2, told: None });
        for status in ["accepted", "duplicate"] {
            assert_eq!(judged(Class::New, &verdict(status)), acknowledged(status));
            assert_eq!(judged(Class::Invalid, &verdict(status)), Some(Final::Unexpected(status)));
        }
        for class in [Class::New, Class::Again, Class::Conflict, Class::Invalid] {
            assert_eq!(judged(class, &verdict("retry")), None);
        }
        assert_eq!(judged(Class::New, &verdict("conflict")), Some(Final::Unexpected("conflict")));
        assert_eq!(judged(Class::Conflict, &verdict("conflict")), Some(Final::Refused("conflict")));
        assert_eq!(judged(Class::Invalid, &verdict("invalid")), Some(Final::Refused("invalid")));
        let nowhere = Verdict { partition: None, ..verdict("accepted") };
        assert_eq!(judged(Class::New, &nowhere), Some(Final::Unexpected("accepted")));
    }
}
