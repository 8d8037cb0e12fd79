//! One transaction as it was taken in, and what it turned out to be. Times are epoch milliseconds and money is ten-thousandths of the
//! currency unit; as JSON, texts and numbers.

use super::{
    ClickHouse, ClickHouseError,
    tables::{LABELS, REQUESTS, TRANSACTIONS},
};
use crate::{score::Position, told};
use clickhouse::Row;
use millrace_schemas::event::{DEFAULT_SCORE_CODE, LabelKind, TimeResolution};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most labels read of one transaction, the latest.
const LABELS_MAX: usize = 100;

/// A transaction as stored.
#[derive(Debug, Clone, PartialEq, Row, Deserialize, Serialize, JsonSchema)]
pub struct StoredTransaction {
    /// Id across systems.
    pub trn_id: String,
    /// Customer who pays.
    pub customer_id: String,
    /// Client's id, unique within the customer.
    pub transaction_id: String,
    /// When it took place.
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
    /// Client's type code.
    #[serde(rename = "type")]
    pub transaction_type: i32,
    /// Merchant paid.
    pub merchant_id: String,
    /// Category of the merchant.
    pub merchant_category: Option<String>,
    /// Upstream's category.
    pub transaction_category: Option<String>,
    /// Channel.
    pub channel: String,
    /// First 6 to 8 digits of the card.
    pub card_bin: String,
    /// Token of the card.
    pub card_id: Option<String>,
    /// Client's address.
    pub ip_address: String,
    /// Device.
    pub device_id: String,
    /// Place in words.
    pub location: String,
    /// Degrees, WGS 84.
    pub latitude: Option<f64>,
    /// Degrees, WGS 84.
    pub longitude: Option<f64>,
    /// The label that the client sent with it as `is_fraud`.
    pub asserted_is_fraud: Option<bool>,
    /// Upstream's risk, 0 to 1.
    pub merchant_risk_score: Option<f64>,
    /// Upstream's risk, 0 to 1.
    pub card_risk_score: Option<f64>,
    /// Upstream's risk, 0 to 1.
    pub customer_risk_score: Option<f64>,
    /// Upstream's alert.
    pub is_velocity_alert: Option<bool>,
    /// Upstream's alert.
    pub is_location_alert: Option<bool>,
    /// Upstream's alert.
    pub is_device_alert: Option<bool>,
    /// Upstream's flag.
    pub is_high_value: Option<bool>,
    /// Upstream's segments.
    pub customer_segments: Vec<String>,
    /// Zone a local time was read in.
    pub time_zone: Option<String>,
    /// How the client's time became an instant.
    #[schemars(with = "TimeResolution")]
    pub time_resolution: String,
    /// Unknown fields.
    #[serde(with = "told::Extra")]
    pub extra: Vec<(String, String)>,
    /// Request that brought it.
    pub request_id: Option<String>,
    /// Position in that request's batch.
    pub request_index: Option<i32>,
}

const COLUMNS: &str = "toString(t.trn_id) AS trn_id, t.customer_id AS customer_id, t.transaction_id AS transaction_id, \
     t.occurred_at AS occurred_at, t.received_at AS received_at, t.amount AS amount, t.currency AS currency, t.type AS type, \
     t.merchant_id AS merchant_id, t.merchant_category AS merchant_category, t.transaction_category AS transaction_category, \
     t.channel AS channel, t.card_bin AS card_bin, t.card_id AS card_id, t.ip_address AS ip_address, t.device_id AS device_id, \
     t.location AS location, t.latitude AS latitude, t.longitude AS longitude, t.is_fraud AS asserted_is_fraud, \
     t.merchant_risk_score AS merchant_risk_score, t.card_risk_score AS card_risk_score, \
     t.customer_risk_score AS customer_risk_score, t.is_velocity_alert AS is_velocity_alert, \
     t.is_location_alert AS is_location_alert, t.is_device_alert AS is_device_alert, t.is_high_value AS is_high_value, \
     t.customer_segments AS customer_segments, t.time_zone AS time_zone, t.time_resolution AS time_resolution, t.extra AS extra, \
     t.request_id AS request_id, t.request_index AS request_index";

/// A label of a transaction.
#[derive(Debug, Clone, PartialEq, Row, Deserialize, Serialize, JsonSchema)]
pub struct StoredLabel {
    /// The source's id of it.
    pub label_id: String,
    /// Its id across systems.
    pub trn_id: String,
    /// What it says.
    #[schemars(with = "LabelKind")]
    pub label: String,
    /// Who says so.
    pub source: String,
    /// When it was decided.
    #[serde(with = "told::Instant")]
    pub decided_at: i64,
    /// When it was taken in.
    #[serde(with = "told::Instant")]
    pub received_at: i64,
    /// Id of its event.
    pub event_id: String,
}

/// An answer that was given without the score, because that did not come in time.
#[derive(Debug, Clone, PartialEq, Row, Deserialize, Serialize, JsonSchema)]
pub struct DefaultAnswer {
    /// The request that was answered so.
    pub request_id: String,
    /// When it arrived.
    #[serde(with = "told::Instant")]
    pub received_at: i64,
    /// What was answered, in words.
    pub message: String,
}

impl ClickHouse {
    /// The transaction whose score is this record; `None` when it is not in the tables.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn transaction(
        &self,
        trn_id: Uuid,
        record: &Position,
    ) -> Result<Option<StoredTransaction>, ClickHouseError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM {}.{} AS t WHERE t.trn_id = ? AND t._partition = ? AND t._offset = ? LIMIT 1",
            self.database(),
            TRANSACTIONS.name
        );
        let query = self.reading(&sql).bind(trn_id.to_string()).bind(record.partition).bind(record.offset);
        self.deadline(query.fetch_optional()).await
    }

    /// The latest 100 labels of a transaction in the order of their decisions, so that the last one counts; a label that was sent
    /// again stands once.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub async fn labels_of(&self, trn_id: Uuid) -> Result<Vec<StoredLabel>, ClickHouseError> {
        let sql = format!(
            "SELECT label_id, label_trn_id AS trn_id, label, source, decided_at, received_at, event_id FROM ( \
               SELECT t.label_id AS label_id, toString(t.label_trn_id) AS label_trn_id, t.label AS label, t.source AS source, \
                 t.decided_at AS decided_at, t.received_at AS received_at, toString(t.event_id) AS event_id, t._offset AS offset \
               FROM {}.{} AS t WHERE t.trn_id = ? ORDER BY offset LIMIT 1 BY label_id \
             ) ORDER BY decided_at DESC, offset DESC LIMIT {LABELS_MAX}",
            self.database(),
            LABELS.name
        );
        let mut labels: Vec<StoredLabel> =
            self.deadline(self.reading(&sql).bind(trn_id.to_string()).fetch_all()).await?;
        labels.reverse();
        Ok(labels)
    }

    /// The answers that were given of a transaction without its score, the first 100.
    ///
    /// # Errors
    /// As [`transaction`](Self::transaction).
    pub async fn default_answers(&self, trn_id: Uuid) -> Result<Vec<DefaultAnswer>, ClickHouseError> {
        let sql = format!(
            "SELECT t.request_id AS request_id, t.received_at AS received_at, ifNull(t.message, '') AS message FROM {}.{} AS t \
             WHERE has(arrayMap(id -> ifNull(id, ''), results.trn_id), ?) AND t.code = ? ORDER BY received_at, request_id \
             LIMIT {LABELS_MAX}",
            self.database(),
            REQUESTS.name
        );
        let query = self.reading(&sql).bind(trn_id.to_string()).bind(DEFAULT_SCORE_CODE);
        self.deadline(query.fetch_all()).await
    }
}
