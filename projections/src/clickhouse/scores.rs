//! One transaction's score.

use super::{ClickHouse, ClickHouseError, tables::TRANSACTION_SCORES};
use crate::score::{JournalRecord, Position, ScoreView};
use clickhouse::Row;
use millrace_schemas::{
    Topic,
    event::{Decision, DecisionSource, Reason, ShadowScore, Windows},
};
use serde::Deserialize;
use uuid::Uuid;

/// A rule that holds: code, words, feature, its value, what it adds.
type Held = (String, String, String, f64, f64);

#[derive(Row, Deserialize)]
struct ScoreRow {
    trn_id: String,
    customer_id: String,
    transaction_id: String,
    occurred_at: i64,
    received_at: i64,
    amount: i64,
    currency: String,
    scoring: f64,
    decision: String,
    decision_source: String,
    reasons: Vec<Held>,
    model: Option<String>,
    raw_scoring: Option<f64>,
    default_cause: Option<String>,
    shadow_model: Option<String>,
    shadow_scoring: Option<f64>,
    configuration: String,
    customer_transaction_count_3h: i32,
    customer_avg_amount_3h: i64,
    customer_transaction_count_6h: i32,
    customer_avg_amount_6h: i64,
    customer_transaction_count_12h: i32,
    customer_avg_amount_12h: i64,
    customer_transaction_count_24h: i32,
    customer_avg_amount_24h: i64,
    window_exact: bool,
    features: Vec<(String, f64)>,
    event_id: String,
    source_partition: i32,
    source_offset: i64,
    source_timestamp: i64,
    partition: i32,
    offset: i64,
    timestamp: i64,
}

const COLUMNS: &str = "toString(t.trn_id) AS trn_id, t.customer_id AS customer_id, t.transaction_id AS transaction_id, \
     t.occurred_at AS occurred_at, t.received_at AS received_at, t.amount AS amount, t.currency AS currency, t.scoring AS scoring, \
     t.decision AS decision, t.decision_source AS decision_source, \
     CAST(t.reasons AS Array(Tuple(String, String, String, Float64, Float64))) AS reasons, t.model AS model, \
     t.raw_scoring AS raw_scoring, t.default_cause AS default_cause, t.shadow_model AS shadow_model, \
     t.shadow_scoring AS shadow_scoring, \
     t.configuration AS configuration, \
     t.customer_transaction_count_3h AS customer_transaction_count_3h, t.customer_avg_amount_3h AS customer_avg_amount_3h, \
     t.customer_transaction_count_6h AS customer_transaction_count_6h, t.customer_avg_amount_6h AS customer_avg_amount_6h, \
     t.customer_transaction_count_12h AS customer_transaction_count_12h, t.customer_avg_amount_12h AS customer_avg_amount_12h, \
     t.customer_transaction_count_24h AS customer_transaction_count_24h, t.customer_avg_amount_24h AS customer_avg_amount_24h, \
     t.window_exact AS window_exact, CAST(t.features AS Map(String, Float64)) AS features, toString(t.event_id) AS event_id, \
     t.source_partition AS source_partition, t.source_offset AS source_offset, t.source_timestamp AS source_timestamp, \
     t._partition AS partition, t._offset AS offset, t._timestamp AS timestamp";

impl ClickHouse {
    /// The score of a transaction by its id across systems; `None` when none is in the tables. An id that came again after the
    /// processors had forgotten it is another transaction: then it is the last one's.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn score(&self, trn_id: Uuid) -> Result<Option<ScoreView>, ClickHouseError> {
        let table = TRANSACTION_SCORES.name;
        let sql = format!(
            "SELECT {COLUMNS} FROM {}.{table} AS t WHERE t.trn_id = ? ORDER BY t._offset DESC LIMIT 1",
            self.database()
        );
        let row: Option<ScoreRow> = self.deadline(self.reading(&sql).bind(trn_id.to_string()).fetch_optional()).await?;
        row.map(view).transpose()
    }

    /// Customers that have a transaction with this id of theirs, up to `most`.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub async fn customers_with(&self, transaction_id: &str, most: usize) -> Result<Vec<String>, ClickHouseError> {
        let table = TRANSACTION_SCORES.name;
        let sql = format!(
            "SELECT DISTINCT t.customer_id FROM {}.{table} AS t WHERE t.transaction_id = ? LIMIT ?",
            self.database()
        );
        self.deadline(self.reading(&sql).bind(transaction_id).bind(most).fetch_all()).await
    }
}

fn view(row: ScoreRow) -> Result<ScoreView, ClickHouseError> {
    let strange = |name: &str, value: &str| ClickHouseError::Unreadable(format!("{name} {value:?} is not known"));
    let decision = Decision::named(&row.decision).ok_or_else(|| strange("decision", &row.decision))?;
    let decision_source =
        DecisionSource::named(&row.decision_source).ok_or_else(|| strange("decision source", &row.decision_source))?;
    let reason = |(code, text, feature, value, contribution): Held| Reason { code, text, feature, value, contribution };
    Ok(ScoreView {
        trn_id: row.trn_id,
        customer_id: row.customer_id,
        transaction_id: row.transaction_id,
        occurred_at: row.occurred_at,
        received_at: row.received_at,
        amount: row.amount,
        currency: row.currency,
        scoring: row.scoring,
        is_fraud: decision.is_fraud(),
        decision,
        decision_source,
        reasons: row.reasons.into_iter().map(reason).collect(),
        model: row.model,
        raw_scoring: row.raw_scoring,
        default_cause: row.default_cause,
        shadow: row.shadow_model.map(|model| ShadowScore { model, scoring: row.shadow_scoring }),
        configuration: row.configuration,
        windows: Windows {
            customer_transaction_count_3h: row.customer_transaction_count_3h,
            customer_avg_amount_3h: row.customer_avg_amount_3h,
            customer_transaction_count_6h: row.customer_transaction_count_6h,
            customer_avg_amount_6h: row.customer_avg_amount_6h,
            customer_transaction_count_12h: row.customer_transaction_count_12h,
            customer_avg_amount_12h: row.customer_avg_amount_12h,
            customer_transaction_count_24h: row.customer_transaction_count_24h,
            customer_avg_amount_24h: row.customer_avg_amount_24h,
        },
        window_exact: row.window_exact,
        features: row.features.into_iter().collect(),
        event_id: row.event_id,
        processed_at: row.timestamp,
        journal: JournalRecord {
            topic: Topic::Transactions.name().to_owned(),
            partition: row.source_partition,
            offset: row.source_offset,
            appended_at: row.source_timestamp,
        },
        record: Position {
            topic: Topic::TransactionScores.name().to_owned(),
            partition: row.partition,
            offset: row.offset,
        },
    })
}
