//! A gateway that is sent single transactions, each of which waits for its answer.

use super::{Latencies, Schedule, Transactions};
use crate::gateway::{Gateway, GatewayError, why};
use jiff::Timestamp;
use reqwest::{Url, header::CONTENT_TYPE};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

/// How long an answer may take; longer ones count as none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bodies that are due and not on their way yet. Their number shows only when this process gets no CPU time.
const DUE_MAX: usize = 1_024;

/// Where transactions go.
#[derive(Debug, Clone)]
pub struct Target {
    gateway: Gateway,
    endpoint: Url,
    connections: Arc<Semaphore>,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// Requests that were due.
    pub sent: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    /// Of the answers with a score, what decided it: `model`, `rules` or `default`.
    pub decision_sources: BTreeMap<String, u64>,
    /// Requests without a readable answer, by why.
    pub failures: BTreeMap<&'static str, u64>,
    /// From the time a request was due to the end of its answer, of answers that took the transaction (200 or 202).
    pub latencies: Latencies,
    /// From the time a request was due to when it went out: the generator's own share.
    pub lateness: Latencies,
    /// How long sending took, from the first time due to the last request that went out.
    pub sending: Duration,
}

/// What is read of an answer.
#[derive(Deserialize)]
struct Scored {
    decision_source: Option<String>,
}

/// What became of one request.
struct Done {
    due: Instant,
    sent: Instant,
    ended: Instant,
    answer: Result<(u16, Option<String>), &'static str>,
}

impl Target {
    /// A gateway, reached over at most so many connections. Nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(gateway: &str, connections: usize) -> Result<Self, GatewayError> {
        let gateway = Gateway::new(gateway, connections, PATIENCE)?;
        let endpoint = gateway.at("/api/v1/transactions");
        Ok(Self { gateway, endpoint, connections: Arc::new(Semaphore::new(connections)) })
    }

    /// Asks the gateway whether it takes writes.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check_ready(&self) -> Result<(), GatewayError> {
        self.gateway.check_ready().await
    }

    /// Sends at the times of a schedule, whatever becomes of earlier requests, and waits for all answers.
    pub async fn run(&self, schedule: Schedule, transactions: &Transactions) -> (Answers, Transactions) {
        let (due, mut bodies) = mpsc::channel(DUE_MAX);
        let mut transactions = transactions.clone();
        let pacing = tokio::task::spawn_blocking(move || {
            let mut body = transactions.next_at(Timestamp::now());
            for time in schedule.due() {
                if due.blocking_send((time, body)).is_err() {
                    break;
                }
                // Made while there is time.
                body = transactions.next_at(Timestamp::now());
            }
            transactions
        });
        let (mut answers, mut begin, mut end) = (Answers::default(), None, None);
        // At most as many as the schedule has.
        let mut pending = JoinSet::new();
        loop {
            tokio::select! {
                Some((time, body)) = bodies.recv() => {
                    begin.get_or_insert(time);
                    pending.spawn(self.clone().send(time, body));
                }
                Some(done) = pending.join_next() => {
                    let done = done.expect("a request does not panic");
                    end = end.max(Some(done.sent));
                    answers.add(done);
                }
                else => break,
            }
        }
        answers.sending = end.zip(begin).map_or(Duration::ZERO, |(end, begin)| end.saturating_duration_since(begin));
        (answers, pacing.await.expect("making a transaction does not panic"))
    }

    async fn send(self, due: Instant, body: Vec<u8>) -> Done {
        let _connection = self.connections.acquire().await.expect("it is never closed");
        let sent = Instant::now();
        let request = self.gateway.client.post(self.endpoint).header(CONTENT_TYPE, "application/json").body(body);
        let answer = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok((status, response.bytes().await?))
        };
        let answer: Result<_, reqwest::Error> = answer.await;
        let ended = Instant::now();
        let answer = answer.map_err(|error| why(&error)).and_then(|(status, body)| {
            if status != 200 {
                return Ok((status, None));
            }
            let scored: Scored = serde_json::from_slice(&body).map_err(|_| "not the JSON of an answer")?;
            Ok((status, Some(scored.decision_source.ok_or("no decision_source")?)))
        });
        Done { due, sent, ended, answer }
    }
}

impl Answers {
    fn add(&mut self, done: Done) {
        self.sent += 1;
        self.lateness.add(done.sent.saturating_duration_since(done.due));
        match done.answer {
            Ok((status, source)) => {
                *self.statuses.entry(status).or_default() += 1;
                source.into_iter().for_each(|source| *self.decision_sources.entry(source).or_default() += 1);
                if matches!(status, 200 | 202) {
                    self.latencies.add(done.ended.saturating_duration_since(done.due));
                }
            }
            Err(reason) => *self.failures.entry(reason).or_default() += 1,
        }
    }

    /// Takes in those of another stretch of time.
    pub fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        other.statuses.into_iter().for_each(|(status, count)| *self.statuses.entry(status).or_default() += count);
        let sources = other.decision_sources.into_iter();
        sources.for_each(|(source, count)| *self.decision_sources.entry(source).or_default() += count);
        other.failures.into_iter().for_each(|(reason, count)| *self.failures.entry(reason).or_default() += count);
        self.latencies.merge(&other.latencies);
        self.lateness.merge(&other.lateness);
        self.sending += other.sending;
    }

    /// Answers that took the transaction.
    pub fn taken(&self) -> u64 {
        self.latencies.count()
    }
}
