//! The one who acts on letters.

use super::{Actions, Ready, Shelf, State};
use crate::{
    Headers, RuntimeError,
    clock::{Clock, Ids},
    log::{Log, Schemas},
    producer::Appended,
    transaction::{Outgoing, Transactions},
};
use millrace_schemas::{
    Event as _, Topic,
    event::{DeadLetterAction, LetterAction},
};
use std::sync::Arc;

/// Name of the transactional id.
const NAME: &str = "deadletters";

/// What to do about one letter.
pub enum Act<'l> {
    /// Append it to its journal.
    Replay(&'l Ready),
    /// Leave it without effect; its event id and attempt.
    Discard(&'l str, i32),
}

/// What was done about one letter.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// It stands in its journal again.
    Replayed(Appended),
    /// It stays without effect.
    Discarded,
    /// Nothing: somebody was earlier.
    Earlier(State),
}

/// Acts on letters while nobody else does; another clerk's start ends this one's work. Blocks its thread.
pub struct Clerk {
    transactions: Transactions,
    schemas: Schemas,
    actions: Actions,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Clerk {
    /// Takes over from any other clerk, then reads what all of them did.
    pub fn begin(
        log: &Log,
        schemas: &Schemas,
        shelf: &Shelf,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Self, RuntimeError> {
        let transactions = Transactions::begin_as(log, NAME)?;
        let actions = shelf.actions()?;
        Ok(Self { transactions, schemas: schemas.clone(), actions, clock, ids })
    }

    /// What was done before this clerk began.
    pub fn earlier(&self) -> &Actions {
        &self.actions
    }

    /// Acts on some letters, each only once in the clerk's life, in one transaction: all of it is done or nothing.
    pub fn act(&self, acts: &[Act<'_>], reason: Option<&str>) -> Result<Vec<Done>, RuntimeError> {
        let undone: Vec<&Act<'_>> = acts.iter().filter(|act| self.may(act)).collect();
        let replays: Vec<Outgoing> = undone.iter().filter_map(|act| act.outgoing()).collect();
        let appended = if undone.is_empty() {
            Vec::new()
        } else {
            self.transactions.write(|transaction| {
                let appended = transaction.send(&replays)?;
                let mut at = appended.iter();
                let records = undone.iter().map(|act| self.record(act, reason, &mut at));
                transaction.send(&records.collect::<Result<Vec<_>, _>>()?)?;
                Ok(appended)
            })?
        };
        let mut at = appended.into_iter();
        let done = acts.iter().map(|act| match act {
            _ if !self.may(act) => Some(Done::Earlier(self.actions.state(act.letter_id()))),
            Act::Replay(_) => at.next().map(Done::Replayed),
            Act::Discard(..) => Some(Done::Discarded),
        });
        Ok(done.flatten().collect())
    }

    /// A letter that was discarded may still be replayed; one that was replayed is done with.
    fn may(&self, act: &Act<'_>) -> bool {
        match (self.actions.state(act.letter_id()), act) {
            (State::Open, _) | (State::Discarded(_), Act::Replay(_)) => true,
            (State::Replayed(_), _) | (State::Discarded(_), Act::Discard(..)) => false,
        }
    }

    fn record(
        &self,
        act: &Act<'_>,
        reason: Option<&str>,
        appended: &mut std::slice::Iter<'_, Appended>,
    ) -> Result<Outgoing, RuntimeError> {
        let (action, attempt, at) = match act {
            Act::Replay(ready) => (LetterAction::Replayed, ready.attempt, appended.next()),
            Act::Discard(_, attempt) => (LetterAction::Discarded, *attempt, None),
        };
        let event = DeadLetterAction {
            event_id: self.ids.event_id().to_string(),
            letter_id: act.letter_id().to_owned(),
            action,
            acted_at: self.clock.now_ms(),
            reason: reason.map(ToOwned::to_owned),
            topic: act.target().map(|topic| topic.name().to_owned()),
            partition: at.map(|at| at.partition),
            offset: at.map(|at| at.offset),
            attempt,
        };
        let value = self.schemas.codec().encode(&event).map_err(|error| RuntimeError::Fatal(error.to_string()))?;
        let (topic, key) = (Topic::DeadLetterActions, Some(event.key()));
        Ok(Outgoing { topic, partition: Some(0), key, value, headers: Headers::new() })
    }
}

impl Act<'_> {
    fn letter_id(&self) -> &str {
        match self {
            Act::Replay(ready) => &ready.letter_id,
            Act::Discard(letter_id, _) => letter_id,
        }
    }

    fn target(&self) -> Option<Topic> {
        match self {
            Act::Replay(ready) => Some(ready.target()),
            Act::Discard(..) => None,
        }
    }

    fn outgoing(&self) -> Option<Outgoing> {
        match self {
            Act::Replay(ready) => Some(ready.outgoing.clone()),
            Act::Discard(..) => None,
        }
    }
}
