//! What decided beside the model that scored in its shadow, on recorded scores.

use super::{ClickHouse, ClickHouseError};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// One pair, as far as labels have come.
#[derive(Debug, Clone, PartialEq, Row, Deserialize, Serialize)]
pub struct ShadowGrade {
    /// What decided: a model's id and hash, or `rules`.
    pub model: String,
    /// Version of the model that scored beside it.
    pub shadow_model: String,
    /// Transactions that both scored.
    pub transactions: u64,
    /// Transactions that one of them did not score in time.
    pub missing: u64,
    /// Those of `transactions` that have a label.
    pub labelled: u64,
    /// Labelled fraud or chargeback.
    pub frauds: u64,
    /// Mean distance of the two scores.
    pub mean_distance: f64,
    /// Area under the ROC curve of what decided; `None` unless there are frauds and others.
    pub auc: Option<f64>,
    /// The same of the shadow.
    pub shadow_auc: Option<f64>,
    /// Average precision of what decided.
    pub average_precision: Option<f64>,
    /// The same of the shadow.
    pub shadow_average_precision: Option<f64>,
}

impl ClickHouse {
    /// Each pair that scored transactions which took place in `[from, to)`, epoch milliseconds.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn shadow_grades(&self, (from, to): (i64, i64)) -> Result<Vec<ShadowGrade>, ClickHouseError> {
        let sql = format!(
            "SELECT model, shadow_model, transactions, missing, labelled, frauds, mean_distance, auc, shadow_auc, average_precision, \
             shadow_average_precision FROM {}.shadow_grades(from = fromUnixTimestamp64Milli(?, 'UTC'), \
             to = fromUnixTimestamp64Milli(?, 'UTC')) ORDER BY model, shadow_model",
            self.database()
        );
        self.deadline(self.reading(&sql).bind(from).bind(to).fetch_all()).await
    }
}
