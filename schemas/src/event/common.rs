//! Parts that several events have.

use serde::{Deserialize, Serialize};

/// The journal record an event is derived from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Topic of the journal.
    pub topic: String,
    /// Partition of the journal.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// Index among the events derived from that record, from 0.
    pub index: i32,
    /// Time of the journal record by the broker's clock (LogAppendTime).
    pub timestamp: i64,
}

/// How the time given by the client became an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeResolution {
    /// `exact`.
    Exact,
    /// `ambiguous_earlier`.
    AmbiguousEarlier,
    /// `gap_forward`.
    GapForward,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON pointer or XPath of the field; empty for the whole.
    pub path: String,
    /// Stable code of the error.
    pub code: String,
    /// The error in words.
    pub message: String,
}
