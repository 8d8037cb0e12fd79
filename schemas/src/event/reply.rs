//! What a gateway is told of a record whose client waits.

use super::{Decision, DecisionSource, FieldError, Reason, Source, TransactionScore, Windows};
use serde::{Deserialize, Serialize};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyOutcome {
    /// `scored`: it took effect.
    Scored,
    /// `duplicate`: it repeats an earlier record.
    Duplicate,
    /// `refused`: it is a dead letter.
    Refused,
}

/// The score of a transaction, as transaction-scores has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Probability-like risk, 0 to 1.
    pub scoring: f64,
    /// What to do with the transaction.
    pub decision: Decision,
    /// model or rules; default when neither could answer.
    pub decision_source: DecisionSource,
    /// Rules that hold, the largest contribution first.
    pub reasons: Vec<Reason>,
    /// Model id and hash; null where rules alone decided.
    pub model: Option<String>,
    /// Version of rules and thresholds that were in force.
    pub configuration: String,
    /// The customer's windows.
    pub windows: Windows,
    /// False when the transaction came later than the lateness, so that its windows cover only what is retained.
    pub window_exact: bool,
}

impl From<&TransactionScore> for Score {
    fn from(scored: &TransactionScore) -> Self {
        Self {
            scoring: scored.scoring,
            decision: scored.decision,
            decision_source: scored.decision_source,
            reasons: scored.reasons.clone(),
            model: scored.model.clone(),
            configuration: scored.configuration.clone(),
            windows: scored.windows.clone(),
            window_exact: scored.window_exact,
        }
    }
}

/// What became of a journal record, told to the gateway whose client waits for it, ahead of the transaction that records it. Keyed by the gateway's slot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Id of the event that records the same outcome: score, duplicate or dead letter.
    pub event_id: String,
    /// Slot of the gateway that waits.
    pub slot: i32,
    /// What the gateway knows the waiting client by, from the record's header reply-to.
    pub correlation_id: String,
    /// The record, and when the broker took it.
    pub source: Source,
    /// scored: it took effect; duplicate: it repeats an earlier record; refused: it is a dead letter.
    pub outcome: ReplyOutcome,
    /// Id of the transaction across systems; null when it was refused.
    pub trn_id: Option<String>,
    /// The score; null unless scored.
    pub score: Option<Score>,
    /// Offset of the first record, in the same partition; null unless a duplicate.
    pub first_offset: Option<i64>,
    /// Why it was refused.
    pub errors: Vec<FieldError>,
}
