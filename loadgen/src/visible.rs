//! Receipts at a fixed rate, and how long it takes until the query API's figures hold them.

use crate::{
    gateway::{Gateway, GatewayError},
    open_loop::{Latencies, Schedule},
    receipts::Receipts,
};
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

/// Batches a second.
const BATCHES: u32 = 40;
/// How long the gateway may take to store a batch, and figures to hold a receipt.
const PATIENCE: Duration = Duration::from_secs(60);
/// Batches that are due and not on their way yet.
const DUE_MAX: usize = 1_024;
/// Connections for batches and for questions.
const CONNECTIONS: usize = 64;

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Receipts a second.
    pub rate: u32,
    /// For how long.
    pub during: Duration,
    /// Of the batches, one in so many is looked for.
    pub looked_for: u32,
    /// Names the receipts, so that they are new.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Seen {
    /// Receipts that were stored.
    pub stored: u64,
    /// From when a batch was due until the gateway said that it is stored.
    pub acknowledged: Latencies,
    /// From when a batch was due until an answer held its last receipt.
    pub visible: Latencies,
    /// From the first batch due to the last that went out.
    pub sending: Duration,
}

/// An answer to a batch.
#[derive(Deserialize)]
struct Stored {
    accepted: u64,
    results: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    place_id: String,
    partition: Option<i32>,
    offset: Option<i64>,
}

/// Sends, and looks.
///
/// # Errors
/// When the gateway refuses a batch or a question, or does not answer in time.
pub async fn run(gateway: &str, load: Load) -> Result<Seen, GatewayError> {
    let gateway = Gateway::new(gateway, CONNECTIONS, PATIENCE)?;
    gateway.check_ready().await?;
    let size = (load.rate / BATCHES).max(1);
    let schedule = Schedule::new(Instant::now() + Duration::from_millis(50), load.rate / size, load.during);
    let run = load.seed;
    let (due, mut bodies) = mpsc::channel(DUE_MAX);
    let pacing = tokio::task::spawn_blocking(move || {
        let mut receipts = Receipts::new(run).with_branches(10);
        for (number, time) in schedule.due().enumerate() {
            let batch: Vec<_> = receipts.by_ref().take(size as usize).map(|it| fresh(it, run)).collect();
            let body = serde_json::to_vec(&batch).expect("JSON can be written");
            if due.blocking_send((number, time, body)).is_err() {
                break;
            }
        }
    });
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let mut pending = JoinSet::new();
    let (mut seen, mut first, mut last) = (Seen::default(), None, None);
    loop {
        tokio::select! {
            Some((number, time, body)) = bodies.recv() => {
                first.get_or_insert(time);
                last = Some(Instant::now());
                let is_looked_for = number.is_multiple_of(load.looked_for.max(1) as usize);
                pending.spawn(one(gateway.clone(), Arc::clone(&connections), time, body, is_looked_for));
            }
            Some(done) = pending.join_next() => {
                let (stored, acknowledged, visible) = done.expect("a batch does not panic")?;
                seen.stored += stored;
                seen.acknowledged.add(acknowledged);
                visible.into_iter().for_each(|it| seen.visible.add(it));
            }
            else => break,
        }
    }
    pacing.await.expect("making receipts does not panic");
    seen.sending = first.zip(last).map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first));
    Ok(seen)
}

/// A receipt with an id of this run.
fn fresh(mut receipt: serde_json::Value, run: u64) -> serde_json::Value {
    let id = format!("bench-{run:x}-{}", receipt["transaction_id"].as_str().unwrap_or_default());
    receipt["transaction_id"] = id.into();
    receipt
}

async fn one(
    gateway: Gateway,
    connections: Arc<Semaphore>,
    due: Instant,
    body: Vec<u8>,
    is_looked_for: bool,
) -> Result<(u64, Duration, Option<Duration>), GatewayError> {
    let request =
        gateway.client.post(gateway.at("/api/v1/receipts")).header(CONTENT_TYPE, "application/json").body(body);
    let answer = {
        let _connection = connections.acquire().await.expect("it is never closed");
        gateway.answer(request).await?
    };
    let acknowledged = due.elapsed();
    let stored: Stored = serde_json::from_slice(&answer).map_err(|_| gateway.not_ready("an answer cannot be read"))?;
    let position = stored.results.last().and_then(|item| Some((&item.place_id, item.partition?, item.offset?)));
    let (Some((place, partition, offset)), true) = (position, is_looked_for) else {
        return Ok((stored.accepted, acknowledged, None));
    };
    let mut question = gateway.at("/api/v1/analytics/places");
    let parameters = [("interval", "all"), ("place_id", place), ("wait_ms", "10000")];
    question.query_pairs_mut().extend_pairs(parameters).append_pair("min_offset", &format!("{partition}/{offset}"));
    while !gateway.shows(question.clone()).await? {
        if due.elapsed() > PATIENCE {
            return Err(gateway.not_ready("figures are further behind than is measured"));
        }
    }
    Ok((stored.accepted, acknowledged, Some(due.elapsed())))
}
