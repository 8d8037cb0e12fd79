//! Parts that several events have.

use schemars::JsonSchema;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeResolution {
    /// `exact`: one instant fits.
    Exact,
    /// `ambiguous_earlier`: the local time occurs twice (clocks go back) and the earlier one was taken.
    AmbiguousEarlier,
    /// `gap_forward`: the local time does not exist (clocks go forward) and was moved forward by the length of the gap.
    GapForward,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// JSON pointer or XPath of the field; empty for the whole.
    pub path: String,
    /// Stable code of the error.
    pub code: String,
    /// The error in words.
    pub message: String,
}
