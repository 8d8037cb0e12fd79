//! The smallest events that the chain takes, and a processor that counts.

use crate::{
    Record,
    processor::{Context, Memory, Processor},
};
use millrace_schemas::{
    Event, Topic,
    event::{Derived, Journal, Source},
    wire::EncodeError,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A journal event: its business id and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Input {
    pub(super) id: u8,
    pub(super) content: u8,
}

impl Event for Input {
    const TOPIC: Topic = Topic::Transactions;

    fn key(&self) -> Vec<u8> {
        vec![self.id]
    }
}

impl Journal for Input {
    fn owner(&self) -> &str {
        "owner"
    }

    fn business_id(&self) -> &str {
        "id"
    }

    fn canonical(&self) -> Self {
        *self
    }

    fn occurred_at(&self) -> i64 {
        0
    }

    fn trn_id(&self) -> Uuid {
        Uuid::nil()
    }

    fn identity_hash(&self) -> u128 {
        self.id.into()
    }

    fn content_hash(&self) -> Result<u64, EncodeError> {
        Ok(self.content.into())
    }
}

/// An output: its input and how many outputs there were up to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Output {
    pub(super) input: Input,
    pub(super) source: Source,
    pub(super) number: u32,
}

impl Event for Output {
    const TOPIC: Topic = Topic::TransactionScores;

    fn key(&self) -> Vec<u8> {
        self.input.key()
    }
}

impl Derived for Output {
    type From = Input;

    fn journal(&self) -> &Input {
        &self.input
    }

    fn source(&self) -> &Source {
        &self.source
    }
}

/// Numbers its outputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbering;

#[derive(Debug, Default)]
pub(super) struct Count(u32);

impl Processor for Numbering {
    const NAME: &'static str = "numbering";
    type Out = Output;
    type Memory = Count;

    fn memory(&self) -> Count {
        Count::default()
    }

    fn memory_version(&self) -> String {
        "1".into()
    }
}

impl Memory<Output> for Count {
    fn restore(&mut self, _: &Output) {
        self.0 += 1;
    }

    fn process(&mut self, input: Input, context: Context) -> Output {
        self.0 += 1;
        Output { input, source: context.source, number: self.0 }
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some(self.0.to_be_bytes().to_vec())
    }

    fn load(&mut self, saved: &[u8]) -> bool {
        let Ok(bytes) = saved.try_into() else { return false };
        self.0 = u32::from_be_bytes(bytes);
        true
    }
}

/// A record as the journal has it; what it holds goes beside it.
pub(super) fn record(offset: i64, timestamp: i64) -> Record {
    let headers = crate::Headers::new();
    Record { topic: Topic::Transactions, partition: 0, offset, timestamp, key: None, value: None, headers }
}
