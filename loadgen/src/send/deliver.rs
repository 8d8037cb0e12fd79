//! One batch to the gateway, again and again until each of its items has a final answer.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use reqwest::Response;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;

use super::answer::{Answer, ItemStatus, interpret, parse};
use super::answers_file::{AnswersFile, Entry};
use super::batch::{Batch, encode};
use super::pace::Pace;
use super::retry::{Backoff, retry_after};
use super::stop::Stop;
use super::tally::{Attempted, Tally};
use super::{SendError, SendOptions};
use crate::item::{Item, Kind, Wire};

/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Delivers batches; shared by all lanes.
pub(super) struct Deliverer {
    client: reqwest::Client,
    endpoint: reqwest::Url,
    kind: Kind,
    /// Items go out as themselves, not as lists of one.
    alone: bool,
    backoff: Duration,
    give_up_after: Duration,
    pace: Option<Pace>,
    answers: Option<AnswersFile>,
    tally: Arc<Tally>,
    stop: Stop,
}

/// An answer, or why there is none.
struct Attempt {
    http_status: Option<u16>,
    body: Value,
    latency: Duration,
    retry_after: Option<Duration>,
    answer: Answer,
}

impl Deliverer {
    pub fn new(options: &SendOptions, kind: Kind, tally: Arc<Tally>, stop: Stop) -> Result<Self, SendError> {
        let gateway = options.gateway.as_ref().ok_or(SendError::NoGateway)?;
        let endpoint = gateway.join(kind.path()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let endpoint = endpoint.ok_or_else(|| SendError::Url(gateway.to_string()))?;
        let answers = match &options.answers {
            Some(path) => Some(
                AnswersFile::create(path, options.answers_with_items)
                    .map_err(|source| SendError::Answers { path: path.clone(), source })?,
            ),
            None => None,
        };
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("millrace-loadgen/", env!("CARGO_PKG_VERSION")))
            .timeout(options.timeout())
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(options.parallel as usize);
        if matches!(endpoint.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            client = client.no_proxy();
        }
        Ok(Deliverer {
            client: client.build().map_err(SendError::Client)?,
            endpoint,
            kind,
            alone: options.batch == 1,
            backoff: Duration::from_millis(options.backoff_ms),
            give_up_after: Duration::from_secs(options.retry_seconds),
            pace: options.rate.map(Pace::new),
            answers,
            tally,
            stop,
        })
    }

    /// Where requests go.
    pub fn endpoint(&self) -> &reqwest::Url {
        &self.endpoint
    }

    /// Writes out the answers kept.
    pub fn flush_answers(&self) {
        if let Some(Err(message)) = self.answers.as_ref().map(AnswersFile::flush) {
            self.stop.request(message);
        }
    }

    /// Sends a batch until all of it has final answers, time is up or the run is stopped.
    pub async fn deliver(&self, batch: Batch) {
        if let Some(pace) = &self.pace {
            tokio::select! {
                () = pace.turn(batch.items.len()) => {}
                () = self.stop.requested() => {}
            }
        }
        let Batch { wire, mut items } = batch;
        let mut backoff = Backoff::new(self.backoff, self.give_up_after, Instant::now());
        let mut number = 0;
        while !items.is_empty() && !self.stop.is_requested() {
            number += 1;
            let Some(attempt) = self.attempt(wire, &items, number).await else { return };
            let wait = attempt.retry_after;
            let reason = match attempt.answer {
                Answer::Refused(reason) => return self.stop.request(reason),
                Answer::Retry(reason) => reason,
                Answer::Items(answers) => {
                    let before = items.len();
                    let mut answers = answers.into_iter();
                    // Answers and items have the same length.
                    items.retain(|_| answers.next().is_none_or(|answer| !self.settle(&answer)));
                    if items.len() < before {
                        backoff.progressed(Instant::now());
                    }
                    "the gateway asked to send it again".to_owned()
                }
            };
            if items.is_empty() {
                return;
            }
            let Some(wait) = backoff.next(wait, Instant::now(), rand::random()) else {
                let seconds = self.give_up_after.as_secs();
                return self.stop.request(format!("gave up after {seconds} s without anything stored: {reason}"));
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.requested() => {}
            }
        }
    }

    /// Counts an item's answer; true when it is final.
    fn settle(&self, answer: &super::answer::ItemAnswer) -> bool {
        let is_final = answer.status != ItemStatus::Retry;
        if is_final {
            self.tally.answered(answer);
        }
        is_final
    }

    /// One request, counted and kept; `None` when it was dropped because the run is aborted.
    async fn attempt(&self, wire: Wire, items: &[Item], number: u32) -> Option<Attempt> {
        let (content_type, body) = encode(self.kind, wire, items, self.alone);
        let body_bytes = body.len();
        let started = Instant::now();
        let attempt = tokio::select! {
            attempt = self.exchange(content_type, body, items.len(), started) => attempt,
            () = self.stop.aborted() => return None,
        };
        let (http_status, latency) = (attempt.http_status, attempt.latency);
        self.tally.attempted(&Attempted { is_repeat: number > 1, body_bytes, http_status, latency });
        if let Some(Err(message)) = self.answers.as_ref().map(|answers| keep(answers, &attempt, items, number)) {
            self.stop.request(message);
        }
        Some(attempt)
    }

    async fn exchange(&self, content_type: &'static str, body: Vec<u8>, count: usize, started: Instant) -> Attempt {
        // XML in, XML out; every other format is answered in JSON.
        let accept = if content_type == "application/xml" { content_type } else { "application/json" };
        let request = self.client.post(self.endpoint.clone()).header(CONTENT_TYPE, content_type);
        // A file is sent to be stored; nobody waits for its scores.
        let request = request.header(ACCEPT, accept).header("prefer", "respond-async");
        let response = request.body(body).send().await;
        let outcome = match response {
            Ok(response) => {
                let status = response.status().as_u16();
                let header =
                    |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
                let retry_after = header(RETRY_AFTER).and_then(|value| retry_after(&value, SystemTime::now()));
                let content_type = header(CONTENT_TYPE).unwrap_or_default();
                read_answer(response).await.map(|bytes| (status, retry_after, parse(&content_type, &bytes)))
            }
            Err(error) => Err(error),
        };
        let latency = started.elapsed();
        match outcome {
            Ok((status, retry_after, body)) => {
                let answer = interpret(status, &body, count);
                Attempt { http_status: Some(status), body, latency, retry_after, answer }
            }
            Err(error) => {
                let answer = Answer::Retry(format!("no answer: {}", with_causes(&error)));
                Attempt { http_status: None, body: Value::Null, latency, retry_after: None, answer }
            }
        }
    }
}

/// Reads a body up to its limit; what lies beyond is not read, and the rest then does not parse.
async fn read_answer(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER_BYTES {
            break;
        }
    }
    Ok(bytes)
}

fn keep(answers: &AnswersFile, attempt: &Attempt, items: &[Item], number: u32) -> Result<(), String> {
    let (details, error): (Vec<Option<&Value>>, _) = match &attempt.answer {
        Answer::Items(answers) => (answers.iter().map(|answer| Some(&answer.detail)).collect(), None),
        Answer::Retry(reason) | Answer::Refused(reason) => (vec![None; items.len()], Some(reason.as_str())),
    };
    answers.keep(&Entry {
        attempt: number,
        request_id: attempt.body["request_id"].as_str(),
        http_status: attempt.http_status,
        latency_ms: attempt.latency.as_secs_f64() * 1000.0,
        error,
        items: items.iter().zip(details).map(|(item, detail)| answers.item(item, detail)).collect(),
    })
}

/// An error with what caused it: the outermost alone says little.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
