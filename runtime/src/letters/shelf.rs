//! Reading letters and actions.

use crate::{
    Headers, Record, RuntimeError,
    config::KafkaConfig,
    log::Log,
    reader::From,
    scan::{Progress, Scan},
};
use millrace_schemas::{
    Event, Topic,
    event::{DeadLetter, DeadLetterAction, LetterAction},
    wire::Codec,
};
use std::collections::{BTreeMap, BTreeSet};

/// A dead letter and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The letter.
    pub event: DeadLetter,
    /// Partition of `dead-letters`.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// Headers of the letter's own record.
    pub headers: Headers,
}

/// What became of a letter.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Nothing was done about it.
    Open,
    /// It was appended to its journal again.
    Replayed(DeadLetterAction),
    /// It stays without effect.
    Discarded(DeadLetterAction),
}

impl State {
    /// In a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replayed(_) => "replayed",
            Self::Discarded(_) => "discarded",
        }
    }
}

/// What was done about letters: the last action of each.
#[derive(Debug, Clone, Default)]
pub struct Actions(BTreeMap<String, DeadLetterAction>);

impl Actions {
    /// What became of a letter, by its event id.
    pub fn state(&self, letter_id: &str) -> State {
        match self.0.get(letter_id) {
            None => State::Open,
            Some(action) if action.action == LetterAction::Replayed => State::Replayed(action.clone()),
            Some(action) => State::Discarded(action.clone()),
        }
    }
}

/// The dead letters of a log. Reading blocks its thread.
#[derive(Clone)]
pub struct Shelf {
    pub(super) kafka: KafkaConfig,
    codec: std::sync::Arc<Codec>,
    partitions: i32,
}

impl Shelf {
    /// The letters of this log.
    pub async fn open(log: &Log) -> Result<Self, RuntimeError> {
        let codec = Codec::reader(&log.schemas().await?).map_err(|error| RuntimeError::Fatal(error.to_string()))?;
        let partitions = log.partitions(Topic::DeadLetters).await?;
        Ok(Self { kafka: log.kafka().clone(), codec: codec.into(), partitions })
    }

    /// Begins to read every letter, in order for each partition.
    pub fn letters(&self) -> Result<Letters<'_>, RuntimeError> {
        let all: Vec<i32> = (0..self.partitions).collect();
        let scan = Scan::new(&self.kafka, Topic::DeadLetters, &all, From::Beginning)?;
        Ok(Letters { codec: &self.codec, scan, seen: BTreeSet::new() })
    }

    /// Reads what was done so far.
    pub fn actions(&self) -> Result<Actions, RuntimeError> {
        let mut scan = Scan::new(&self.kafka, Topic::DeadLetterActions, &[0], From::Beginning)?;
        let mut actions = BTreeMap::new();
        while let Some(record) = scan.next_record()? {
            let action: DeadLetterAction = own(&self.codec, &record)?;
            actions.insert(action.letter_id.clone(), action);
        }
        Ok(Actions(actions))
    }
}

/// The letters while they are read, each once.
pub struct Letters<'s> {
    codec: &'s Codec,
    scan: Scan,
    /// A torn transaction can leave a letter twice.
    seen: BTreeSet<String>,
}

impl Letters<'_> {
    /// The next letter; `None` when all were read.
    pub fn next_letter(&mut self) -> Result<Option<Letter>, RuntimeError> {
        while let Some(record) = self.scan.next_record()? {
            let event: DeadLetter = own(self.codec, &record)?;
            if self.seen.insert(event.event_id.clone()) {
                let Record { partition, offset, headers, .. } = record;
                return Ok(Some(Letter { event, partition, offset, headers }));
            }
        }
        Ok(None)
    }

    /// How far the reading is.
    pub fn progress(&self) -> Progress {
        self.scan.progress()
    }
}

fn own<E: Event>(codec: &Codec, record: &Record) -> Result<E, RuntimeError> {
    codec.decode(record.value.as_deref()).map_err(|error| {
        RuntimeError::Fatal(format!("{} {}/{}: {error}", record.topic, record.partition, record.offset))
    })
}
