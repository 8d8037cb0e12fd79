//! The score of a transaction, with every field that clients of the earlier scoring service read.

use super::{Verdict, receipt::money};
use crate::{context::Context, waiting::Scored};
use millrace_schemas::{
    event::{DEFAULT_SCORING, Decision, DecisionSource, Windows},
    time::format_instant,
};
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// When a transaction is answered.
pub(crate) struct Moment {
    /// Since the request arrived.
    pub took: Duration,
    /// Epoch milliseconds.
    pub now: i64,
}

/// The answer with a score; with the default where none came in time. Amounts are in units of the currency.
pub(crate) fn score(
    scored: Option<&Scored>,
    default_decision: Decision,
    context: &Context,
    verdict: &Verdict,
    moment: &Moment,
) -> Json {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Json| fields.insert(name.to_owned(), value);
    put("request_id", json!(context.request_id));
    if let Some(identity) = &verdict.identity {
        put(verdict.owner_field, json!(identity.owner));
        put(verdict.id_field, json!(identity.business_id));
    }
    put("event_id", json!(event_id(scored, verdict)));
    let score = scored.map(|scored| &scored.score);
    put("scoring", json!(score.map_or(DEFAULT_SCORING, |score| score.scoring)));
    put("is_fraud", json!(score.map(|score| score.decision.is_fraud())));
    put("decision", json!(score.map_or(default_decision, |score| score.decision)));
    put("decision_source", json!(score.map_or(DecisionSource::Default, |score| score.decision_source)));
    put("reasons", json!(score.map_or(&[][..], |score| &score.reasons)));
    put("model", json!(score.and_then(|score| score.model.as_deref())));
    put("configuration", json!(score.map(|score| &score.configuration)));
    put("processing_time_ms", json!(moment.took.as_micros() as f64 / 1_000.0));
    for (name, value) in windows(score.map(|score| &score.windows)) {
        put(name, value);
    }
    put("processed_at", json!(format_instant(moment.now)));
    put("trn_id", json!(verdict.trn_id));
    put("timestamp", json!(format_instant(verdict.received_at(context))));
    put("trn_status", json!(verdict.trn_status()));
    put("status", json!(verdict.status));
    if verdict.status == super::Status::Duplicate {
        put("duplicate", json!(true));
    }
    if scored.is_none() {
        let url = verdict.trn_id.as_ref().map(|id| format!("/api/v1/transactions/{id}/score"));
        put("score_url", json!(url));
    }
    if let Some(stored) = &verdict.stored {
        put("partition", json!(stored.partition));
        put("offset", json!(stored.offset));
    }
    if let Some(resolution) = verdict.resolution {
        put("timestamp_resolution", json!(resolution));
    }
    Json::Object(fields)
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

fn windows(windows: Option<&Windows>) -> [(&'static str, Json); 8] {
    let count = |of: fn(&Windows) -> i32| windows.map_or(Json::Null, |windows| json!(of(windows)));
    let mean = |of: fn(&Windows) -> i64| windows.map_or(Json::Null, |windows| money(of(windows)));
    [
        ("customer_transaction_count_3h", count(|w| w.customer_transaction_count_3h)),
        ("customer_avg_amount_3h", mean(|w| w.customer_avg_amount_3h)),
        ("customer_transaction_count_6h", count(|w| w.customer_transaction_count_6h)),
        ("customer_avg_amount_6h", mean(|w| w.customer_avg_amount_6h)),
        ("customer_transaction_count_12h", count(|w| w.customer_transaction_count_12h)),
        ("customer_avg_amount_12h", mean(|w| w.customer_avg_amount_12h)),
        ("customer_transaction_count_24h", count(|w| w.customer_transaction_count_24h)),
        ("customer_avg_amount_24h", mean(|w| w.customer_avg_amount_24h)),
    ]
}
