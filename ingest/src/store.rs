//! Appending what is new, all items of a request at once, and knowing what became of each.

use crate::{
    app::App,
    idempotency::{Known, Stored},
    log::EventLog,
    metrics,
    parse::{Item, Kind},
    tree::Shape,
};
use futures::{
    future::BoxFuture,
    poll,
    stream::{FuturesUnordered, StreamExt as _},
};
use millrace_runtime::{
    Headers, headers,
    producer::{AppendError, Appended},
};
use std::{collections::HashMap, task::Poll, time::Duration};
use tokio::{task::coop::consume_budget, time::Instant};
use uuid::Uuid;

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Acknowledged.
    Accepted(Stored),
    /// The log has it already, with the same content.
    Duplicate(Stored),
    /// The log has its id, with other content.
    Conflict,
    /// No valid event.
    Invalid,
    /// More than the broker takes.
    TooLarge { bytes: usize, max: usize },
    /// Cannot be written as an event: a defect.
    NotEncodable,
    /// Not acknowledged in time; it may be stored or not.
    Retry,
}

type Settled = (usize, Result<Appended, AppendError>);

/// Appends the valid and new items of a request and waits for their acknowledgements, up to a time.
///
/// Items get their place in the log in the request's order, whatever time their acknowledgements take.
pub(crate) async fn store<E: Kind, L: EventLog>(
    app: &App<L>,
    common: &Headers,
    shape: Shape,
    items: &[Item<E>],
    within: Duration,
) -> Vec<Outcome> {
    let began = Instant::now();
    let mut batch = Batch {
        app,
        items,
        outcomes: vec![Outcome::Retry; items.len()],
        firsts: HashMap::new(),
        followers: Vec::new(),
    };
    let mut pending: FuturesUnordered<BoxFuture<'_, Settled>> = FuturesUnordered::new();
    for index in 0..items.len() {
        let Some(event) = batch.admit(index) else { continue };
        let headers = match shape {
            Shape::One => common.clone(),
            Shape::Several => common.clone().with(headers::REQUEST_INDEX, index.to_string()),
        };
        let mut append: BoxFuture<'_, Settled> =
            Box::pin(async move { (index, app.gateway.log.append(event, headers).await) });
        match poll!(&mut append) {
            Poll::Ready(settled) => batch.settle(settled),
            Poll::Pending => pending.push(append),
        }
        consume_budget().await;
    }
    let acknowledged = async {
        while let Some(settled) = pending.next().await {
            batch.settle(settled);
        }
    };
    let in_time = tokio::time::timeout(within, acknowledged).await.is_ok();
    if !in_time {
        tracing::warn!(items = items.len(), "no acknowledgement in time");
    }
    metrics::acknowledged(E::TOPIC, began.elapsed());
    batch.finish()
}

/// The items of one request while they are stored.
struct Batch<'b, E, L> {
    app: &'b App<L>,
    items: &'b [Item<E>],
    outcomes: Vec<Outcome>,
    /// First appended item of each identity.
    firsts: HashMap<u128, First>,
    /// Later items with an identity of this request, and their content.
    followers: Vec<(usize, First, u64)>,
}

/// An item that is being appended.
#[derive(Clone, Copy)]
struct First {
    index: usize,
    content: u64,
}

impl<'b, E: Kind, L: EventLog> Batch<'b, E, L> {
    /// The item's event when it is to be appended; else its outcome is known, or that of the item it follows will tell.
    fn admit(&mut self, index: usize) -> Option<&'b E> {
        let Ok(event) = &self.items[index].content else {
            self.outcomes[index] = Outcome::Invalid;
            return None;
        };
        let content = match event.content_hash() {
            Ok(content) => content,
            Err(error) => {
                tracing::error!(error = %error, "an event cannot be written");
                self.outcomes[index] = Outcome::NotEncodable;
                return None;
            }
        };
        let identity = event.identity_hash();
        if let Some(known) = self.app.memory.get(E::TOPIC, identity, event.received_at()) {
            self.outcomes[index] = again(known.stored, known.content == content);
            return None;
        }
        if let Some(first) = self.firsts.get(&identity) {
            self.followers.push((index, *first, content));
            return None;
        }
        self.firsts.insert(identity, First { index, content });
        Some(event)
    }

    fn settle(&mut self, (index, result): Settled) {
        let Ok(event) = &self.items[index].content else { return };
        let identity = event.identity_hash();
        self.outcomes[index] = match result {
            Ok(appended) => {
                let stored = Stored {
                    event_id: Uuid::parse_str(event.event_id()).unwrap_or_default(),
                    received_at: event.received_at(),
                    partition: appended.partition,
                    offset: appended.offset,
                };
                if let Some(first) = self.firsts.get(&identity) {
                    self.app.memory.insert(E::TOPIC, identity, Known { content: first.content, stored });
                }
                Outcome::Accepted(stored)
            }
            Err(AppendError::TooLarge { bytes, max }) => {
                // It takes no id: a later item that is not too large may have it.
                self.firsts.remove(&identity);
                Outcome::TooLarge { bytes, max }
            }
            Err(AppendError::Unavailable(reason)) => {
                tracing::debug!(reason, "an event is not acknowledged");
                Outcome::Retry
            }
            Err(AppendError::Encode(error)) => {
                tracing::error!(error = %error, "an event cannot be written");
                Outcome::NotEncodable
            }
        };
    }

    /// An item that follows another with its id is as good as that one: a duplicate or a conflict of what is stored; where the first
    /// is not, nothing can be said of the second but to try again.
    fn finish(mut self) -> Vec<Outcome> {
        for (index, first, content) in self.followers {
            let same = first.content == content;
            self.outcomes[index] = match self.outcomes[first.index] {
                Outcome::Accepted(stored) | Outcome::Duplicate(stored) => again(stored, same),
                failed @ (Outcome::TooLarge { .. } | Outcome::NotEncodable) if same => failed,
                _ => Outcome::Retry,
            };
        }
        self.outcomes
    }
}

fn again(stored: Stored, same: bool) -> Outcome {
    if same { Outcome::Duplicate(stored) } else { Outcome::Conflict }
}
