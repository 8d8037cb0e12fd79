//! The score of a transaction, with every field that clients of the earlier scoring service read.

use super::{Status, TrnStatus, Verdict, item::StoredAt};
use crate::{context::Context, parse::Identity, waiting::Scored};
use millrace_schemas::{
    contract::told::{Instant, MaybeWindows},
    event::{DEFAULT_SCORING, Decision, DecisionSource, Reason},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{ops::Not, time::Duration};
use uuid::Uuid;

/// When a transaction is answered.
pub(crate) struct Moment {
    /// Since the request arrived.
    pub took: Duration,
    /// Epoch milliseconds.
    pub now: i64,
}

/// A transaction's score; the default where none came in time. Amounts are in units of the currency.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ScoreAnswer<'a> {
    /// Id of the request.
    request_id: &'a str,
    /// Customer who pays.
    customer_id: &'a str,
    /// Your id of the transaction.
    transaction_id: &'a str,
    /// Id of its event; null where it repeats one that this gateway did not take in, while only the default is known.
    #[schemars(with = "Option<Uuid>")]
    event_id: Option<String>,
    /// Probability-like risk.
    #[schemars(range(min = 0, max = 1))]
    scoring: f64,
    /// Whether it is decided block; null while only the default is known.
    is_fraud: Option<bool>,
    /// What to do with the transaction.
    decision: Decision,
    /// What decided.
    decision_source: DecisionSource,
    /// What raised the score, and rules that hold; the largest contribution first.
    reasons: &'a [Reason],
    /// Version of the model; null where none scored.
    model: Option<&'a str>,
    /// Version of rules and thresholds that were in force; null while only the default is known.
    configuration: Option<&'a str>,
    /// From the request's arrival to its answer.
    processing_time_ms: f64,
    #[serde(flatten)]
    windows: MaybeWindows,
    /// When it was answered.
    #[serde(with = "Instant")]
    processed_at: i64,
    /// Id across systems.
    #[schemars(with = "Uuid")]
    trn_id: Option<&'a str>,
    /// When the transaction was taken in.
    #[serde(with = "Instant")]
    timestamp: i64,
    /// Whether the log has it.
    trn_status: TrnStatus,
    /// What became of it.
    status: Status,
    /// Whether an earlier record had it.
    #[serde(skip_serializing_if = "Not::not")]
    #[schemars(extend("const" = true))]
    duplicate: bool,
    /// Where the score will be, when only the default is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    score_url: Option<String>,
    #[serde(flatten)]
    stored: StoredAt,
}

impl<'a> ScoreAnswer<'a> {
    /// The answer to a transaction that is stored.
    pub fn of(
        scored: Option<&'a Scored>,
        default_decision: Decision,
        context: &'a Context,
        verdict: &'a Verdict,
        moment: &Moment,
    ) -> Self {
        let score = scored.map(|scored| &scored.score);
        let (customer_id, transaction_id) = match &verdict.identity {
            Some(Identity { owner, business_id }) => (owner.as_str(), business_id.as_str()),
            None => ("", ""),
        };
        let trn_id = verdict.trn_id.as_deref();
        let will_be = trn_id.filter(|_| scored.is_none());
        Self {
            request_id: &context.request_id,
            customer_id,
            transaction_id,
            event_id: event_id(scored, verdict),
            scoring: score.map_or(DEFAULT_SCORING, |score| score.scoring),
            is_fraud: score.map(|score| score.decision.is_fraud()),
            decision: score.map_or(default_decision, |score| score.decision),
            decision_source: score.map_or(DecisionSource::Default, |score| score.decision_source),
            reasons: score.map_or(&[], |score| &score.reasons),
            model: score.and_then(|score| score.model.as_deref()),
            configuration: score.map(|score| score.configuration.as_str()),
            processing_time_ms: moment.took.as_micros() as f64 / 1_000.0,
            windows: MaybeWindows::of(score.map(|score| &score.windows)),
            processed_at: moment.now,
            trn_id,
            timestamp: verdict.received_at(context),
            trn_status: verdict.trn_status(),
            status: verdict.status,
            duplicate: verdict.status == Status::Duplicate,
            score_url: will_be.map(|id| format!("/api/v1/transactions/{id}/score")),
            stored: StoredAt::of(verdict),
        }
    }
}

/// What the audit keeps of an answer that had no score.
pub(crate) fn default_told(decision: Decision, waited: Duration) -> String {
    format!(
        "no score within {} ms: answered scoring {DEFAULT_SCORING}, decision {}; the score follows in the log",
        waited.as_millis(),
        decision.name()
    )
}

/// Id of the transaction's event: where it repeats another that this gateway did not take in, it is not known here.
fn event_id(scored: Option<&Scored>, verdict: &Verdict) -> Option<String> {
    let stored = verdict.stored.map(|stored| stored.event_id).filter(|id| !id.is_nil());
    stored.map(|id| id.to_string()).or_else(|| scored?.event_id.clone())
}
