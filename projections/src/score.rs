//! A score as it is told: over HTTP, on the live stream, and to other crates. The same whether it was read from the tables or the log.
//! Times are epoch milliseconds and money is ten-thousandths of the currency unit; as JSON, texts and numbers.

use crate::told;
use millrace_runtime::Record;
use millrace_schemas::event::{Decision, DecisionSource, Reason, Score, ShadowScore, TransactionScore, Windows};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// A transaction's score with everything it was computed from.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Score")]
pub struct ScoreView {
    /// Id of the transaction across systems.
    pub trn_id: String,
    /// Customer who pays.
    pub customer_id: String,
    /// Client's id of the transaction, unique within the customer.
    pub transaction_id: String,
    /// When the transaction took place.
    #[serde(with = "told::Instant")]
    pub occurred_at: i64,
    /// When it was taken in.
    #[serde(with = "told::Instant")]
    pub received_at: i64,
    /// Amount.
    #[serde(with = "told::Money")]
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// Probability-like risk.
    #[schemars(range(min = 0, max = 1))]
    pub scoring: f64,
    /// Whether it is decided `block`. Not the label that a client may have sent.
    pub is_fraud: bool,
    /// What to do with the transaction.
    pub decision: Decision,
    /// What decided.
    pub decision_source: DecisionSource,
    /// What raised the score, and rules that hold; the largest contribution first.
    pub reasons: Vec<Reason>,
    /// Model id and hash; null where rules alone decided.
    pub model: Option<String>,
    /// The model's own probability, before calibration and rules; null where no model scored.
    pub raw_scoring: Option<f64>,
    /// Why the score is the default: `timeout`, `overload`, `model_error` or `breaker_open`; null where it is none.
    pub default_cause: Option<String>,
    /// What the model beside the active one made of it; null where there was none.
    pub shadow: Option<ShadowScore>,
    /// Version of rules and thresholds that were in force.
    pub configuration: String,
    /// The customer's windows.
    #[serde(flatten, with = "told::KnownWindows")]
    pub windows: Windows,
    /// False when the transaction came so late that its windows cover only what was retained.
    pub window_exact: bool,
    /// Every feature value the score was computed from.
    pub features: BTreeMap<String, f64>,
    /// Id of the score's event.
    pub event_id: String,
    /// When the score was made.
    #[serde(with = "told::Instant")]
    pub processed_at: i64,
    /// The record of the transaction as received.
    pub journal: JournalRecord,
    /// The record of the score.
    pub record: Position,
}

/// Where a transaction stands in the log as it was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JournalRecord {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
    /// When the broker appended it.
    #[serde(with = "told::Instant")]
    pub appended_at: i64,
}

/// Where a record stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Position {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

impl From<ScoreView> for Score {
    fn from(view: ScoreView) -> Self {
        Self {
            scoring: view.scoring,
            decision: view.decision,
            decision_source: view.decision_source,
            reasons: view.reasons,
            model: view.model,
            configuration: view.configuration,
            windows: view.windows,
            window_exact: view.window_exact,
        }
    }
}

impl ScoreView {
    /// A score as its record of the log holds it.
    pub fn of(score: TransactionScore, record: &Record) -> Self {
        let TransactionScore { transaction, source, .. } = score;
        Self {
            trn_id: score.trn_id,
            customer_id: transaction.customer_id,
            transaction_id: transaction.transaction_id,
            occurred_at: score.occurred_at,
            received_at: score.received_at,
            amount: transaction.amount,
            currency: transaction.currency,
            scoring: score.scoring,
            is_fraud: score.decision.is_fraud(),
            decision: score.decision,
            decision_source: score.decision_source,
            reasons: score.reasons,
            model: score.model,
            raw_scoring: score.raw_scoring,
            default_cause: score.default_cause,
            shadow: score.shadow,
            configuration: score.configuration,
            windows: score.windows,
            window_exact: score.window_exact,
            features: score.features.into_iter().map(|(name, value)| (name.into_owned(), value)).collect(),
            event_id: score.event_id,
            processed_at: record.timestamp,
            journal: JournalRecord {
                topic: source.topic,
                partition: source.partition,
                offset: source.offset,
                appended_at: source.timestamp,
            },
            record: Position {
                topic: record.topic.name().to_owned(),
                partition: record.partition,
                offset: record.offset,
            },
        }
    }
}
