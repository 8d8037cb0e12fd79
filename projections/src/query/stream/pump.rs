//! From the log to one client's queue, until one of them ends.

use super::{COME_BACK_AFTER, StreamConfig, filter::Filter, metrics};
use crate::score::ScoreView;
use axum::response::sse::Event;
use millrace_runtime::{
    Record, RuntimeError,
    feed::Feed,
    lifecycle::{HangUp, Shutdown},
    log::Schemas,
};
use millrace_schemas::event::{Decision, TransactionScore};
use std::time::{Duration, Instant};
use tokio::{
    runtime::Handle,
    sync::mpsc::{Sender, error::SendTimeoutError},
    time::timeout,
};

/// How soon a client that left, and a shutdown, are noticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a client may take to be told that the stream ends.
const END_WITHIN: Duration = Duration::from_secs(1);

/// One client's.
pub(super) struct Pump {
    pub schemas: Schemas,
    pub filter: Filter,
    pub queue: Sender<Event>,
    pub config: StreamConfig,
    pub shutdown: Shutdown,
    /// The client's connection, where it can be closed.
    pub hang_up: Option<HangUp>,
}

/// Why a stream ends.
enum Ended {
    Left,
    Slow,
    Shutdown,
    Failed(RuntimeError),
}

impl Pump {
    /// Blocks until the stream ends.
    pub fn run(self, mut feed: Feed, handle: &Handle) {
        let _client = metrics::Client::new();
        let reason = match self.pump(&mut feed, handle) {
            Err(Ended::Left) => "left",
            Err(Ended::Slow) => {
                tracing::info!(
                    slow_after_ms = self.config.slow_after_ms,
                    "a client of the stream does not read; it is disconnected"
                );
                // Its connection is stuck in a write, so an end of the stream would not reach it.
                self.hang_up();
                "slow"
            }
            Err(Ended::Shutdown) => {
                if handle.block_on(timeout(END_WITHIN, self.queue.closed())).is_err() {
                    self.hang_up();
                }
                "shutdown"
            }
            Err(Ended::Failed(error)) => {
                tracing::warn!(error = %error, "a stream ends; its client can go on from its last event");
                "failed"
            }
            Ok(never) => match never {},
        };
        metrics::ended(reason);
    }

    fn hang_up(&self) {
        if let Some(hang_up) = &self.hang_up {
            hang_up.now();
        }
    }

    fn pump(&self, feed: &mut Feed, handle: &Handle) -> Result<std::convert::Infallible, Ended> {
        let heartbeat = Duration::from_millis(self.config.heartbeat_ms).max(LOOK_EVERY);
        // At once, so that whoever is cut off before the first event knows where it began.
        self.give(at(feed).comment("from here").retry(COME_BACK_AFTER), handle)?;
        let mut told = Instant::now();
        loop {
            if self.shutdown.is_cancelled() {
                return Err(Ended::Shutdown);
            }
            if self.queue.is_closed() {
                return Err(Ended::Left);
            }
            let record = feed.next(LOOK_EVERY).map_err(Ended::Failed)?;
            if let Some(record) = record
                && let Some(score) = self.wanted(&record, handle).map_err(Ended::Failed)?
            {
                self.give_score(&score, feed, handle)?;
                told = Instant::now();
            }
            if told.elapsed() >= heartbeat {
                self.give(at(feed).comment("here"), handle)?;
                told = Instant::now();
            }
        }
    }

    /// The score of a record, where the client wants it.
    fn wanted(&self, record: &Record, handle: &Handle) -> Result<Option<ScoreView>, RuntimeError> {
        if !self.filter.may_want(record.key.as_deref()) {
            return Ok(None);
        }
        match self.schemas.decode::<TransactionScore>(handle, record.value.as_deref())? {
            Ok(score) => Ok(Some(ScoreView::of(score, record)).filter(|score| self.filter.wants(score))),
            // The projector makes it a dead letter.
            Err(error) => {
                let (partition, offset) = (record.partition, record.offset);
                tracing::debug!(partition, offset, error = %error, "the stream passes over a record that is no score");
                metrics::undecoded();
                Ok(None)
            }
        }
    }

    fn give_score(&self, score: &ScoreView, feed: &Feed, handle: &Handle) -> Result<(), Ended> {
        let name = if score.decision == Decision::Allow { "score" } else { "alert" };
        let event = at(feed).event(name).json_data(score);
        let failed = |error: axum::Error| Ended::Failed(RuntimeError::Fatal(format!("a score is no JSON: {error}")));
        self.give(event.map_err(failed)?, handle)?;
        metrics::event(name);
        Ok(())
    }

    /// Puts an event into the client's queue, waiting while it is full.
    fn give(&self, event: Event, handle: &Handle) -> Result<(), Ended> {
        let patience = Duration::from_millis(self.config.slow_after_ms);
        let given = async {
            tokio::select! {
                biased;
                given = self.queue.send_timeout(event, patience) => given.map_err(|error| match error {
                    SendTimeoutError::Closed(_) => Ended::Left,
                    SendTimeoutError::Timeout(_) => Ended::Slow,
                }),
                () = self.shutdown.cancelled() => Err(Ended::Shutdown),
            }
        };
        handle.block_on(given)
    }
}

/// An event that carries where the feed is.
fn at(feed: &Feed) -> Event {
    Event::default().id(feed.place().to_string())
}
