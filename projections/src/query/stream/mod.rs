//! `GET /api/v1/stream`: scores as they are made, as server-sent events.
//!
//! One event for each score: `alert` where it is decided `review` or `block`, else `score`; its data is what
//! `/api/v1/transactions/{id}/score` answers. Its id is the position behind it in all partitions. Whoever comes back with the last id
//! they saw (`Last-Event-ID`, as browsers do, or `last_event_id`) gets what follows it, none lost and none twice; whoever comes
//! without one gets what is committed from now on. Comments keep connections open, and carry the position too, so that whoever sees
//! little through a filter need not read all of it again.
//!
//! Every client has a reader of its own on a thread of its own, a queue, and a place among a bounded number. One that stops reading is
//! disconnected; the log keeps what it missed.

mod filter;
mod metrics;
mod pump;

use super::{Problem, at};
use axum::{
    Extension, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse as _, Response, Sse, sse::Event},
    routing::get,
};
use filter::Filter;
pub(super) use filter::Parameters;
use futures::{Stream, StreamExt as _};
use millrace_runtime::{
    feed::{Feed, FeedError, Place},
    lifecycle::{HangUp, Shutdown},
    log::{Log, Schemas},
};
use millrace_schemas::event::TransactionScore;
use pump::Pump;
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Most clients there can be: half of the threads that the process has for what blocks.
const CLIENTS_MAX: usize = 256;

/// The section `[stream]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamConfig {
    /// Most clients at a time, up to 256; more are answered 503. Each takes a thread, a connection to the broker and a few MB.
    pub clients_max: usize,
    /// Most events that wait for a client to read them.
    pub queue_max_events: usize,
    /// A client whose queue is full for this long is disconnected.
    pub slow_after_ms: u64,
    /// A client that was sent nothing for this long is sent a comment.
    pub heartbeat_ms: u64,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self { clients_max: 32, queue_max_events: 256, slow_after_ms: 10_000, heartbeat_ms: 15_000 }
    }
}

/// The route, to be merged into those of a process; `shutdown` ends every stream.
pub fn routes(log: Log, config: &StreamConfig, shutdown: Shutdown) -> Router {
    let streams = Streams {
        log,
        schemas: OnceCell::new(),
        clients: Arc::new(Semaphore::new(config.clients_max.min(CLIENTS_MAX))),
        config: *config,
        shutdown,
    };
    at("/api/v1/stream", get(answer)).with_state(Arc::new(streams))
}

async fn answer(
    State(streams): State<Arc<Streams>>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    hang_up: Option<Extension<HangUp>>,
    headers: HeaderMap,
) -> Response {
    let hang_up = hang_up.map(|Extension(hang_up)| hang_up);
    match streams.open(parameters, hang_up, &headers).await {
        Ok(events) => {
            let mut response = Sse::new(events.map(Ok::<Event, Infallible>)).into_response();
            // Proxies that buffer answers would keep events back.
            response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
        Err(problem) => problem.respond(&headers),
    }
}

/// What streams share.
struct Streams {
    log: Log,
    /// Read from the log for the first client.
    schemas: OnceCell<Schemas>,
    clients: Arc<Semaphore>,
    config: StreamConfig,
    shutdown: Shutdown,
}

impl Streams {
    /// Begins a client's stream.
    async fn open(
        &self,
        parameters: Result<Query<Parameters>, QueryRejection>,
        hang_up: Option<HangUp>,
        headers: &HeaderMap,
    ) -> Result<impl Stream<Item = Event> + Send + use<>, Problem> {
        let Query(parameters) = parameters.map_err(|rejection| Problem::bad_parameter(rejection.body_text()))?;
        let behind = place(headers, parameters.last_event_id.as_deref())?;
        let filter = Filter::of(&parameters)?;
        let Ok(permit) = Arc::clone(&self.clients).try_acquire_owned() else {
            let detail = format!("{} clients follow the stream already; try again later", self.config.clients_max);
            return Err(Problem::unavailable("too_many_streams", detail));
        };
        if self.shutdown.is_cancelled() {
            return Err(Problem::unavailable("draining", "the gateway is shutting down; try again"));
        }
        let schemas = self.schemas.get_or_try_init(|| self.log.codec()).await;
        let schemas = schemas.map_err(|error| Problem::of_log(&error.to_string()))?.clone();
        let (queue, mut events) = mpsc::channel(self.config.queue_max_events.max(1));
        let pump = Pump { schemas, filter, queue, config: self.config, shutdown: self.shutdown.clone(), hang_up };
        let opened = self.start(pump, behind, permit).await;
        opened.map_err(|error| match error {
            FeedError::Gone(why) => Problem::gone(format!(
                "{why}; what followed this position cannot be told: begin anew without a position, and read what was missed from the tables"
            )),
            FeedError::Runtime(error) => Problem::of_log(&error.to_string()),
        })?;
        let ended = self.shutdown.clone().cancelled_owned();
        Ok(futures::stream::poll_fn(move |context| events.poll_recv(context)).take_until(ended))
    }

    /// Opens a feed and pumps it, on a thread of its own which keeps the client's place until it has ended.
    async fn start(&self, pump: Pump, behind: Option<Place>, permit: OwnedSemaphorePermit) -> Result<(), FeedError> {
        let (kafka, handle) = (self.log.kafka().clone(), tokio::runtime::Handle::current());
        let (opened, is_open) = oneshot::channel();
        let work = move || {
            let _permit = permit;
            match Feed::open::<TransactionScore>(&kafka, behind) {
                Ok(feed) => {
                    let _ = opened.send(Ok(()));
                    pump.run(feed, &handle);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        };
        tokio::task::spawn_blocking(work);
        is_open.await.unwrap_or_else(|_| {
            let why = "the thread of a stream ended at once".to_owned();
            Err(FeedError::Runtime(millrace_runtime::RuntimeError::Transient(why)))
        })
    }
}

/// How long a client waits before it comes back by itself.
const COME_BACK_AFTER: Duration = Duration::from_secs(2);

/// The position to go on from. The header is what a browser saw last; its address stays what it was at first, so the header counts.
fn place(headers: &HeaderMap, parameter: Option<&str>) -> Result<Option<Place>, Problem> {
    let header = headers.get("last-event-id").map(HeaderValue::as_bytes).filter(|value| !value.is_empty());
    let text = match header {
        Some(value) => std::str::from_utf8(value).unwrap_or("\u{fffd}"),
        None => match parameter {
            Some(text) if !text.is_empty() => text,
            _ => return Ok(None),
        },
    };
    let place = Feed::place_of::<TransactionScore>(text);
    place.map(Some).map_err(|error| Problem::bad_parameter(format!("the last event id is {error}")))
}
