//! What scoring makes of a transaction.

use super::{FeatureValues, Source, Transaction};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The score where none could be given in time: by the model, or to a client.
pub const DEFAULT_SCORING: f64 = 0.5;

/// What to do with the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// `allow`: let it pass.
    Allow,
    /// `review`: have it looked at.
    Review,
    /// `block`: refuse it.
    Block,
}

impl Decision {
    /// Every decision.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Review, Self::Block];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Review => "review",
            Self::Block => "block",
        }
    }

    /// The decision that is written like this.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.name() == name)
    }

    /// What `is_fraud` of an answer says. Not the label that a client may have sent.
    pub fn is_fraud(self) -> bool {
        self == Self::Block
    }
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionSource {
    /// `model`: the model's score.
    Model,
    /// `rules`: a rule that holds.
    Rules,
    /// `default`: neither could answer in time.
    Default,
}

impl DecisionSource {
    /// Everything that decides.
    pub const ALL: [Self; 3] = [Self::Model, Self::Rules, Self::Default];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Rules => "rules",
            Self::Default => "default",
        }
    }

    /// What is written like this.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// Why the score is what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// Stable code of the rule, or of the model's group of features.
    pub code: String,
    /// The same in words.
    pub text: String,
    /// Feature that made the rule hold, or that moved the model most in its group.
    pub feature: String,
    /// Value of the feature.
    pub value: f64,
    /// What it adds: a rule to the log-odds of fraud, a model's group of features to what the model puts out, which is log-odds of most
    /// models and a probability of forests.
    pub contribution: f64,
}

/// Sliding windows of the customer at this transaction: those with occurred_at in (t-w, t].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Windows {
    /// Customer's transactions in the 3 hours up to this one, itself included, all currencies.
    pub customer_transaction_count_3h: i32,
    /// Mean amount of those in this transaction's currency, in ten-thousandths of the currency unit, rounded half-even.
    pub customer_avg_amount_3h: i64,
    /// Customer's transactions in the 6 hours up to this one, itself included, all currencies.
    pub customer_transaction_count_6h: i32,
    /// Mean amount of those in this transaction's currency, in ten-thousandths of the currency unit, rounded half-even.
    pub customer_avg_amount_6h: i64,
    /// Customer's transactions in the 12 hours up to this one, itself included, all currencies.
    pub customer_transaction_count_12h: i32,
    /// Mean amount of those in this transaction's currency, in ten-thousandths of the currency unit, rounded half-even.
    pub customer_avg_amount_12h: i64,
    /// Customer's transactions in the 24 hours up to this one, itself included, all currencies.
    pub customer_transaction_count_24h: i32,
    /// Mean amount of those in this transaction's currency, in ten-thousandths of the currency unit, rounded half-even.
    pub customer_avg_amount_24h: i64,
}

/// A transaction with its score. One for each accepted transaction; keyed by customer_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransactionScore {
    /// Id of this event: a hash of log epoch and source, so a replay gives the same one.
    pub event_id: String,
    /// When the transaction took place; copied.
    pub occurred_at: i64,
    /// When it was taken in; copied.
    pub received_at: i64,
    /// Id of the transaction across systems, derived from customer_id and transaction_id.
    pub trn_id: String,
    /// The journal record this was derived from.
    pub source: Source,
    /// The whole transaction.
    pub transaction: Transaction,
    /// Probability-like risk, 0 to 1.
    pub scoring: f64,
    /// What to do with the transaction.
    pub decision: Decision,
    /// model or rules; default when neither could answer.
    pub decision_source: DecisionSource,
    /// What raised the score, and rules that hold; the largest contribution first.
    pub reasons: Vec<Reason>,
    /// Version of the model that scored: its id and a hash; null where rules alone decided.
    pub model: Option<String>,
    /// Version of rules and thresholds that were in force.
    pub configuration: String,
    /// The customer's windows.
    pub windows: Windows,
    /// False when the transaction came later than the lateness, so that its windows cover only what is retained.
    pub window_exact: bool,
    /// Every feature value the score was computed from.
    pub features: FeatureValues,
    /// The model's own probability, before calibration and rules; null where no model scored.
    pub raw_scoring: Option<f64>,
    /// Why the score is the default: timeout, overload, model_error, breaker_open; null where it is none.
    pub default_cause: Option<String>,
    /// What the shadow model made of it; null where there is none. Never an input to score or decision.
    pub shadow: Option<ShadowScore>,
}

/// What the model beside the active one made of the same features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShadowScore {
    /// Version of the model.
    pub model: String,
    /// Its calibrated probability; null where it gave none in time.
    pub scoring: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_schema_and_read_back() {
        for decision in Decision::ALL {
            assert_eq!(serde_json::to_value(decision).expect("a name"), decision.name());
            assert_eq!(Decision::named(decision.name()), Some(decision));
        }
        for source in DecisionSource::ALL {
            assert_eq!(serde_json::to_value(source).expect("a name"), source.name());
            assert_eq!(DecisionSource::named(source.name()), Some(source));
        }
        assert_eq!((Decision::named("Allow"), DecisionSource::named("")), (None, None));
    }
}
