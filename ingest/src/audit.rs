//! What is not accepted leaves a trace: a `requests` event for every refused request, every batch and every duplicate that the
//! gateway answers by itself, and a dead letter for every refused item and every unreadable body. A single item that is accepted is
//! audited by its event's headers.
//!
//! An answer waits for its trace up to a deadline and then stands without it: a client's mistake stays one while the log is away. What
//! is lost that way is counted. A 503 has no trace, since the log that would hold it is what does not answer.

mod redact;

use crate::{
    answer::{Counts, Verdict},
    app::App,
    context::Context,
    log::EventLog,
    metrics,
    parse::Held,
};
use bytes::Bytes;
use futures::{
    future::BoxFuture,
    poll,
    stream::{FuturesUnordered, StreamExt as _},
};
use http::StatusCode;
use millrace_runtime::{Headers, producer::AppendError};
use millrace_schemas::{
    Event, Topic,
    event::{DeadLetter, FieldError, ItemResult, Request},
};
use std::task::Poll;

/// Most errors kept in one `requests` event; the dead letters have all.
const ERRORS_MAX: usize = 500;
/// Room left for what else is in a dead letter when it has to be cut to what the broker takes.
const LETTER_SLACK: usize = 4_096;

/// A text that is refused.
pub(crate) struct Refused<'r> {
    /// Position in the batch; `None` for a whole body.
    pub index: Option<usize>,
    /// Owner of the item, where known.
    pub key: Option<&'r str>,
    pub content_type: &'r str,
    pub payload: &'r Bytes,
    /// Its size, when the payload is not all of it.
    pub size: u64,
    pub held: Held,
    pub code: &'r str,
    pub message: &'r str,
    pub errors: &'r [FieldError],
}

/// Collects and writes the trace of one request.
pub(crate) struct Audit<'a, L> {
    pub app: &'a App<L>,
    pub context: &'a Context,
    pub headers: Headers,
}

impl<'a, L: EventLog> Audit<'a, L> {
    /// The dead letter of a refused text.
    pub fn letter(&self, target: Topic, refused: &Refused<'_>) -> DeadLetter {
        let (payload, cut) = redact::kept(refused.payload, refused.held, self.app.settings.config.letter_max_bytes);
        let size = refused.size.max(refused.payload.len() as u64);
        DeadLetter {
            event_id: self.app.gateway.ids.event_id().to_string(),
            received_at: self.context.received_at,
            source_topic: None,
            source_partition: None,
            source_offset: None,
            request_id: Some(self.context.request_id.clone()),
            request_index: refused.index.map(position),
            target_topic: target.name().to_owned(),
            key: refused.key.map(|key| key.as_bytes().to_vec()),
            content_type: refused.content_type.to_owned(),
            truncated: cut || size > refused.payload.len() as u64,
            payload,
            payload_bytes: i64::try_from(size).unwrap_or(i64::MAX),
            code: refused.code.to_owned(),
            message: refused.message.to_owned(),
            errors: refused.errors.to_vec(),
            attempt: 1,
        }
    }

    /// The `requests` event of a request whose body could be read.
    pub fn request(&self, status: StatusCode, body_bytes: usize, verdicts: &[Verdict]) -> Request {
        let mut room = ERRORS_MAX;
        let results = verdicts.iter().enumerate().map(|(index, verdict)| {
            let errors: Vec<FieldError> = verdict.errors.iter().take(room).cloned().collect();
            room -= errors.len();
            ItemResult {
                index: position(index),
                trn_id: verdict.trn_id.clone(),
                status: verdict.status.name().to_owned(),
                partition: verdict.stored.map(|stored| stored.partition),
                offset: verdict.stored.map(|stored| stored.offset),
                errors,
            }
        });
        let counts = Counts::of(verdicts);
        Request {
            accepted: position(counts.accepted),
            duplicates: position(counts.duplicates),
            rejected: position(counts.rejected),
            results: results.collect(),
            ..self.refused_request(status, body_bytes as u64, None)
        }
    }

    /// The `requests` event of a request that is refused as a whole, with the code and words for it.
    pub fn refused_request(&self, status: StatusCode, body_bytes: u64, why: Option<(&str, &str)>) -> Request {
        let context = self.context.clone();
        Request {
            event_id: self.app.gateway.ids.event_id().to_string(),
            request_id: context.request_id,
            received_at: context.received_at,
            method: context.method,
            path: context.path,
            client: context.client,
            user_agent: context.user_agent,
            content_type: context.content_type,
            content_encoding: context.content_encoding,
            body_bytes: i64::try_from(body_bytes).unwrap_or(i64::MAX),
            http_status: i32::from(status.as_u16()),
            code: why.map(|(code, _)| code.to_owned()),
            message: why.map(|(_, message)| message.to_owned()),
            accepted: 0,
            duplicates: 0,
            rejected: 0,
            results: Vec::new(),
        }
    }

    /// Appends the trace and waits for it, up to the deadline.
    pub async fn write(&self, request: Request, letters: Vec<DeadLetter>) {
        let mut missing = letters.len() + 1;
        let mut pending: FuturesUnordered<BoxFuture<'_, bool>> = FuturesUnordered::new();
        let appends = letters.into_iter().map(|letter| -> BoxFuture<'_, bool> { Box::pin(self.append_letter(letter)) });
        let request: BoxFuture<'_, bool> = Box::pin(self.append_request(request));
        for mut append in appends.chain([request]) {
            match poll!(&mut append) {
                Poll::Ready(written) => missing -= usize::from(written),
                Poll::Pending => pending.push(append),
            }
        }
        let all = async {
            while let Some(written) = pending.next().await {
                missing -= usize::from(written);
            }
        };
        let _ = tokio::time::timeout(self.app.settings.audit_timeout(), all).await;
        if missing > 0 {
            tracing::warn!(
                request_id = self.context.request_id,
                events = missing,
                "a request's trace is not acknowledged"
            );
            metrics::audit_lost(missing as u64);
        }
    }

    async fn append<E: Event>(&self, event: E) -> bool {
        self.app.gateway.log.append(&event, self.headers.clone()).await.is_ok()
    }

    /// The results of a batch that are larger than the broker takes are left out; their counts and dead letters stay.
    async fn append_request(&self, mut request: Request) -> bool {
        match self.app.gateway.log.append(&request, self.headers.clone()).await {
            Ok(_) => true,
            Err(AppendError::TooLarge { max, .. }) => {
                request.message =
                    Some(format!("{} results take more than {max} bytes and are left out", request.results.len()));
                request.results.clear();
                self.append(request).await
            }
            Err(AppendError::Unavailable(_) | AppendError::Encode(_)) => false,
        }
    }

    /// A letter that is larger than the broker takes is cut.
    async fn append_letter(&self, mut letter: DeadLetter) -> bool {
        match self.app.gateway.log.append(&letter, self.headers.clone()).await {
            Ok(_) => true,
            Err(AppendError::TooLarge { bytes, max }) => {
                let excess = bytes.saturating_sub(max) + LETTER_SLACK;
                letter.payload.truncate(letter.payload.len().saturating_sub(excess));
                letter.truncated = true;
                self.append(letter).await
            }
            Err(AppendError::Unavailable(_) | AppendError::Encode(_)) => false,
        }
    }
}

/// Positions and counts are bounded by the items of a request.
fn position(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
