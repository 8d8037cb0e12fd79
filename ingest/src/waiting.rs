//! Clients that wait for the score of their transaction: who waits, what became of it, and the scores told last.
//!
//! The transaction is appended with a header that names this gateway's slot and the transaction's event id; the processor replies
//! there as soon as it has decided. Whoever hears nothing in time is answered with a default, and the score follows in the log.

use crate::{config::GatewayConfig, idempotency::Stored, store::Outcome};
use futures::future::BoxFuture;
use millrace_runtime::{
    RuntimeError,
    lifecycle::Shutdown,
    log::Log,
    replies::{self, ReplyTo},
};
use millrace_schemas::event::{FieldError, Reply, ReplyOutcome, Score};
use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

/// First pause between two looks for the score of an earlier record.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// A transaction that has its score.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scored {
    /// Id of the transaction's event, where it was taken in here.
    pub event_id: Option<String>,
    pub score: Score,
}

/// Finds the score of a transaction by its `trn_id` where it is served; nothing when it is not there (yet).
pub type Lookup = Arc<dyn Fn(Uuid) -> BoxFuture<'static, Option<Score>> + Send + Sync>;

/// The clients of one gateway that wait. Their number is that of the requests in flight, which is bounded.
pub struct Waiting {
    slot: u32,
    recent_max: usize,
    lookup: Option<Lookup>,
    desk: Mutex<Desk>,
}

#[derive(Default)]
struct Desk {
    expected: HashMap<Uuid, oneshot::Sender<Reply>>,
    /// The scores told last, by `trn_id`, in two generations: when the young one is full it becomes the old one.
    young: HashMap<Uuid, Arc<Scored>>,
    old: HashMap<Uuid, Arc<Scored>>,
}

impl Waiting {
    /// Nobody waits yet. `recent_max` scores are remembered to answer duplicates with; what is not remembered is looked up.
    pub fn new(slot: u32, recent_max: usize, lookup: Option<Lookup>) -> Self {
        Self { slot, recent_max, lookup, desk: Mutex::default() }
    }

    /// Takes in what processors reply to this gateway's slot, until the shutdown.
    ///
    /// # Errors
    /// When the topic of replies cannot be read now.
    pub async fn follow(
        log: &Log,
        config: &GatewayConfig,
        lookup: Option<Lookup>,
        shutdown: &Shutdown,
    ) -> Result<Arc<Self>, RuntimeError> {
        let waiting = Arc::new(Self::new(config.slot, config.remembered_scores_max, lookup));
        let desk = Arc::clone(&waiting);
        replies::follow(log, config.slot, shutdown, move |reply| desk.take(reply)).await?;
        Ok(waiting)
    }

    /// Takes a reply in and hands it to who waits for it, if somebody still does.
    pub fn take(&self, reply: Reply) {
        let Ok(event_id) = Uuid::parse_str(&reply.correlation_id) else { return };
        let mut desk = self.desk();
        if let (Some(score), Some(trn_id)) = (&reply.score, reply.trn_id.as_deref()) {
            let scored = Arc::new(Scored { event_id: Some(reply.correlation_id.clone()), score: score.clone() });
            if let Ok(trn_id) = Uuid::parse_str(trn_id) {
                desk.remember(trn_id, scored, self.recent_max / 2);
            }
        }
        if let Some(waits) = desk.expected.remove(&event_id) {
            // Whoever waited may have left just now.
            let _ = waits.send(reply);
        }
    }

    /// Begins to wait for what becomes of a transaction, which is about to be appended.
    pub(crate) fn wait(self: &Arc<Self>, event_id: Uuid, trn_id: Uuid, patience: Duration) -> Wait {
        let (sender, reply) = oneshot::channel();
        self.desk().expected.insert(event_id, sender);
        Wait { waiting: Arc::clone(self), event_id, trn_id, reply, until: Instant::now() + patience }
    }

    fn recent(&self, trn_id: Uuid) -> Option<Arc<Scored>> {
        let desk = self.desk();
        desk.young.get(&trn_id).or_else(|| desk.old.get(&trn_id)).cloned()
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn remember(&mut self, trn_id: Uuid, scored: Arc<Scored>, generation_max: usize) {
        if generation_max == 0 {
            return;
        }
        if self.young.len() >= generation_max {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(trn_id, scored);
    }
}

/// One client that waits; no more when dropped.
pub(crate) struct Wait {
    waiting: Arc<Waiting>,
    event_id: Uuid,
    trn_id: Uuid,
    reply: oneshot::Receiver<Reply>,
    until: Instant,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.waiting.desk().expected.remove(&self.event_id);
    }
}

/// What a waiting client can be told of its transaction.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    /// Its score, or that of the earlier record it repeats.
    Score(Arc<Scored>),
    /// It is a dead letter.
    Refused(Vec<FieldError>),
    /// Nothing in time.
    Nothing,
}

impl Told {
    /// Whether the processor refused the transaction.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl Wait {
    /// The value of the record's header `reply-to`.
    pub fn reply_to(&self) -> String {
        let slot = i32::try_from(self.waiting.slot).unwrap_or_default();
        ReplyTo { slot, correlation_id: self.event_id.to_string() }.to_string()
    }

    /// How long the client will wait yet.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Waits for what became of the transaction, given what became of its append; at most as long as the client does.
    pub async fn settle(mut self, outcome: Outcome) -> (Outcome, Told) {
        match outcome {
            Outcome::Accepted(stored) => match timeout_at(self.until, &mut self.reply).await {
                Ok(Ok(reply)) => self.told(stored, reply).await,
                _ => (outcome, Told::Nothing),
            },
            Outcome::Duplicate(_) => (outcome, self.earlier().await),
            // A reply is as good as an acknowledgement: the processor has read the record.
            Outcome::Retry => match self.reply.try_recv() {
                Ok(reply) => {
                    let (partition, offset) = (reply.source.partition, reply.source.offset);
                    let received_at = reply.source.timestamp;
                    self.told(Stored { event_id: self.event_id, received_at, partition, offset }, reply).await
                }
                Err(_) => (outcome, Told::Nothing),
            },
            Outcome::Conflict | Outcome::Invalid | Outcome::TooLarge { .. } | Outcome::NotEncodable => {
                (outcome, Told::Nothing)
            }
        }
    }

    async fn told(&self, stored: Stored, reply: Reply) -> (Outcome, Told) {
        match (reply.outcome, reply.score) {
            (ReplyOutcome::Scored, Some(score)) => {
                let scored = Scored { event_id: Some(reply.correlation_id), score };
                (Outcome::Accepted(stored), Told::Score(Arc::new(scored)))
            }
            (ReplyOutcome::Scored, None) => (Outcome::Accepted(stored), Told::Nothing),
            (ReplyOutcome::Duplicate, _) => {
                // The first record's own id is told with its score.
                let (event_id, offset) = (Uuid::nil(), reply.first_offset.unwrap_or(stored.offset));
                (Outcome::Duplicate(Stored { event_id, offset, ..stored }), self.earlier().await)
            }
            (ReplyOutcome::Refused, _) => {
                let is_conflict = reply.errors.first().is_some_and(|error| error.code == "conflict");
                let outcome = if is_conflict { Outcome::Conflict } else { Outcome::Invalid };
                (outcome, Told::Refused(reply.errors))
            }
        }
    }

    /// The score of the record that this one repeats, as soon as it is known.
    async fn earlier(&self) -> Told {
        let look = async {
            let mut pause = PAUSE_MIN;
            loop {
                if let Some(scored) = self.waiting.recent(self.trn_id) {
                    return scored;
                }
                if let Some(lookup) = &self.waiting.lookup
                    && let Some(score) = lookup(self.trn_id).await
                {
                    return Arc::new(Scored { event_id: None, score });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        };
        timeout_at(self.until, look).await.map_or(Told::Nothing, Told::Score)
    }
}

#[cfg(test)]
mod tests;
