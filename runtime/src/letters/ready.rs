//! A letter as the record that replays it.

use super::{Effect, Letter};
use crate::{Headers, Record, RuntimeError, headers, log::Schemas, transaction::Outgoing};
use millrace_schemas::{
    Topic,
    event::{DeadLetter, Journal},
};
use tokio::runtime::Handle;

/// Why a letter cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its bytes are not there.
    #[error("its bytes were not kept, since they may hold card data; correct the event and send it again")]
    NotKept,
    /// Not all of its bytes are there.
    #[error("only {kept} of its {of} bytes were kept; send the event again")]
    Truncated {
        /// Bytes kept.
        kept: usize,
        /// Bytes it had.
        of: i64,
    },
    /// It is no item but a whole request.
    #[error("it is the body of a request that could not be taken apart; correct it and send it again")]
    WholeBody,
    /// It does not come from a journal.
    #[error(
        "it comes from {0}, which is derived from a journal and never written by hand; rebuild what is filled from it"
    )]
    NotFromJournal(String),
    /// The processor would refuse it again, and its id cannot be told.
    #[error("it would be refused again: {0}")]
    Undecodable(String),
    /// The gateway's rules still refuse it.
    #[error("it is still refused: {0}")]
    StillRefused(String),
    /// Its id took effect, longer ago than the processor remembers: it would take effect once more.
    #[error("its id took effect with {content} content, at offset {offset}, longer ago than the processor remembers")]
    TookEffect {
        /// `the same` or `other`.
        content: &'static str,
        /// Offset in the journal, in the partition of its key.
        offset: i64,
    },
    /// A fault of the program.
    #[error("{0}")]
    Defect(String),
}

/// A letter that can be replayed.
#[derive(Debug, Clone)]
pub struct Ready {
    pub(super) letter_id: String,
    pub(super) attempt: i32,
    pub(super) outgoing: Outgoing,
    /// When it was taken in first, epoch milliseconds.
    pub received_at: i64,
    /// Hash of owner and business id; see [`Journal::identity_hash`].
    pub identity: u128,
    content: u64,
}

impl Ready {
    /// Replays a record of a journal as it was: key, bytes and headers. `original` is that record where the log still has it.
    ///
    /// The outer error is of the way to a schema.
    pub fn of_record<E: Journal>(
        schemas: &Schemas,
        runtime: &Handle,
        letter: &Letter,
        original: Option<Record>,
    ) -> Result<Result<Self, Unfit>, RuntimeError> {
        let Letter { event: dead, headers, .. } = letter;
        if let Err(unfit) = is_whole(dead) {
            return Ok(Err(unfit));
        }
        let original = original.filter(|record| record.value.as_deref().unwrap_or_default() == dead.payload);
        let (key, headers) = match original {
            Some(record) => (record.key.map(Vec::from), record.headers),
            None => (dead.key.clone(), headers.provenance()),
        };
        let value = Some(dead.payload.as_slice()).filter(|_| dead.code != "null_value");
        let event = match schemas.decode::<E>(runtime, value)? {
            Ok(event) => event,
            Err(error) => return Ok(Err(Unfit::Undecodable(error.to_string()))),
        };
        Ok(Self::new(letter, &event, key, dead.payload.clone(), headers))
    }

    /// Replays an event that the gateway refused then and takes now.
    pub fn of_event<E: Journal>(schemas: &Schemas, letter: &Letter, event: &E) -> Result<Self, Unfit> {
        let value = schemas.codec().encode(event).map_err(|error| Unfit::Defect(error.to_string()))?;
        Self::new(letter, event, Some(event.key()), value, letter.headers.clone())
    }

    fn new<E: Journal>(
        letter: &Letter,
        event: &E,
        key: Option<Vec<u8>>,
        value: Vec<u8>,
        headers: Headers,
    ) -> Result<Self, Unfit> {
        let DeadLetter { event_id, attempt, received_at, .. } = &letter.event;
        let (letter_id, attempt) = (event_id.clone(), attempt.saturating_add(1));
        let headers = headers
            .with(headers::REPLAY_OF, letter_id.as_str())
            .with(headers::ATTEMPT, attempt.to_string())
            .with(headers::RECEIVED_AT, received_at.to_string());
        Ok(Self {
            letter_id,
            attempt,
            outgoing: Outgoing { topic: E::TOPIC, partition: None, key, value, headers },
            received_at: *received_at,
            identity: event.identity_hash(),
            content: event.content_hash().map_err(|error| Unfit::Defect(error.to_string()))?,
        })
    }

    /// Journal it goes to.
    pub fn target(&self) -> Topic {
        self.outgoing.topic
    }

    /// Refuses a letter whose id took effect where the processor cannot know it any more.
    pub fn after(self, effect: Option<&Effect>) -> Result<Self, Unfit> {
        match effect {
            None => Ok(self),
            Some(effect) => {
                let content = if effect.content == self.content { "the same" } else { "other" };
                Err(Unfit::TookEffect { content, offset: effect.offset })
            }
        }
    }
}

/// Whether a letter has all bytes of what was refused.
pub(super) fn is_whole(letter: &DeadLetter) -> Result<(), Unfit> {
    if letter.truncated && letter.payload.starts_with(b"[not kept") {
        return Err(Unfit::NotKept);
    }
    if letter.truncated {
        return Err(Unfit::Truncated { kept: letter.payload.len(), of: letter.payload_bytes });
    }
    Ok(())
}

impl Letter {
    /// The journal it can go back to, and whether it comes from there (else from the gateway).
    pub fn journal(&self) -> Result<(Topic, bool), Unfit> {
        is_whole(&self.event)?;
        let DeadLetter { source_topic, target_topic, request_index, .. } = &self.event;
        let target = match target_topic.parse() {
            Ok(target @ (Topic::Transactions | Topic::Receipts | Topic::Labels)) => target,
            _ => return Err(Unfit::NotFromJournal(target_topic.clone())),
        };
        if source_topic.is_none() && request_index.is_none() {
            return Err(Unfit::WholeBody);
        }
        Ok((target, source_topic.is_some()))
    }
}
