//! What does not take effect: dead letters and duplicates; and what operators did about the former.

use super::{FieldError, Source};
use serde::{Deserialize, Serialize};

/// What could not be processed, with its original bytes. From a journal record it has source_topic, source_partition and source_offset; from a refused request it has request_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Id of this event.
    pub event_id: String,
    /// When the input was taken in: the broker's time of the source record, or the gateway's.
    pub received_at: i64,
    /// Journal the input was read from.
    pub source_topic: Option<String>,
    /// Partition of that journal.
    pub source_partition: Option<i32>,
    /// Offset in that partition.
    pub source_offset: Option<i64>,
    /// Request the input came with, where known.
    pub request_id: Option<String>,
    /// Position in that request's batch, from 0; null when the body as a whole was refused.
    pub request_index: Option<i32>,
    /// Journal the input was meant for.
    pub target_topic: String,
    /// Original key of the source record.
    #[serde(with = "serde_bytes")]
    pub key: Option<Vec<u8>>,
    /// Media type of the payload: avro/binary for the Confluent wire format, else as the client sent it.
    pub content_type: String,
    /// Original bytes, cut at payload_bytes when larger than the limit.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// Size of the original in bytes.
    pub payload_bytes: i64,
    /// True when the payload was cut.
    pub truncated: bool,
    /// Stable code of the first error.
    pub code: String,
    /// The first error in words.
    pub message: String,
    /// Every error found.
    pub errors: Vec<FieldError>,
    /// 1 for the first time; higher after a replay.
    pub attempt: i32,
}

/// A later journal record with the id and content of an earlier one. It takes no effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Duplicate {
    /// Id of this event: a hash of log epoch and source.
    pub event_id: String,
    /// Time of the later record by the broker's clock.
    pub received_at: i64,
    /// Id of the record across systems.
    pub trn_id: String,
    /// The later record.
    pub source: Source,
    /// Offset of the first record, in the same topic and partition.
    pub first_offset: i64,
}

/// What was done about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterAction {
    /// `replayed`.
    Replayed,
    /// `discarded`.
    Discarded,
}

/// What an operator did about a dead letter. The last one of a letter holds. Keyed by letter_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetterAction {
    /// Id of this event.
    pub event_id: String,
    /// Event id of the dead letter.
    pub letter_id: String,
    /// replayed: appended to its journal once more; discarded: it stays without effect.
    pub action: LetterAction,
    /// When it was done, by the operator's clock.
    pub acted_at: i64,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// Journal a replayed letter was appended to.
    pub topic: Option<String>,
    /// Partition of that journal.
    pub partition: Option<i32>,
    /// Offset in that partition.
    pub offset: Option<i64>,
    /// Attempt that a replay begins, from 2; the letter's own attempt when it was discarded.
    pub attempt: i32,
}
