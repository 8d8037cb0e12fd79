//! What other thresholds would have come to, on recorded scores.

use super::{ClickHouse, ClickHouseError};
use crate::told;
use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// Decisions against labels, in one currency. As JSON, money is a number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Row, Deserialize, Serialize)]
pub struct Decided {
    /// ISO 4217 code of the amounts.
    pub currency: String,
    /// UTC days with transactions.
    pub days: u64,
    /// Transactions.
    pub transactions: u64,
    /// Those of them that have a label.
    pub labelled: u64,
    /// Labelled fraud or chargeback.
    pub frauds: u64,
    /// Decided review.
    pub reviewed: u64,
    /// Decided block.
    pub blocked: u64,
    /// Frauds that were reviewed or blocked.
    pub caught: u64,
    /// Labelled legitimate, and reviewed or blocked.
    pub false_alarms: u64,
    /// Sum of the frauds, in ten-thousandths of the currency unit.
    #[serde(with = "told::Money")]
    pub fraud_amount: i128,
    /// Sum of the frauds that were reviewed or blocked.
    #[serde(with = "told::Money")]
    pub caught_amount: i128,
    /// Sum of the false alarms.
    #[serde(with = "told::Money")]
    pub false_alarm_amount: i128,
}

impl ClickHouse {
    /// What was decided of transactions that took place in `[from, to)`, epoch milliseconds, and what thresholds would have decided. What
    /// a list blocked whatever its score stays blocked, and a default stays what it is.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn what_if(
        &self,
        (from, to): (i64, i64),
        (review, block): (f64, f64),
    ) -> Result<(Vec<Decided>, Vec<Decided>), ClickHouseError> {
        let recorded = self.decided("s.decision = 'review'", "s.decision = 'block'", (from, to)).await?;
        // A block at a score that none of the thresholds in force explains is a list's.
        let listed = "arrayExists(code -> startsWith(code, 'blocklist_'), s.reason_codes)";
        let is_default = "s.decision_source = 'default'";
        let blocked = format!("if({is_default}, s.decision = 'block', {listed} OR s.scoring >= {block})");
        let reviewed = format!(
            "if({is_default}, s.decision = 'review', NOT {listed} AND s.scoring >= {review} AND s.scoring < {block})"
        );
        Ok((recorded, self.decided(&reviewed, &blocked, (from, to)).await?))
    }

    async fn decided(
        &self,
        reviewed: &str,
        blocked: &str,
        (from, to): (i64, i64),
    ) -> Result<Vec<Decided>, ClickHouseError> {
        let database = self.database();
        let sql = format!(
            "SELECT currency, uniqExact(day) AS days, count() AS transactions, countIf(isNotNull(is_fraud)) AS labelled, \
             countIf(ifNull(is_fraud, false)) AS frauds, countIf(is_reviewed) AS reviewed, countIf(is_blocked) AS blocked, \
             countIf((is_reviewed OR is_blocked) AND ifNull(is_fraud, false)) AS caught, \
             countIf((is_reviewed OR is_blocked) AND NOT ifNull(is_fraud, true)) AS false_alarms, \
             toInt128(sumIf(amount, ifNull(is_fraud, false)) * 10000) AS fraud_amount, \
             toInt128(sumIf(amount, (is_reviewed OR is_blocked) AND ifNull(is_fraud, false)) * 10000) AS caught_amount, \
             toInt128(sumIf(amount, (is_reviewed OR is_blocked) AND NOT ifNull(is_fraud, true)) * 10000) AS false_alarm_amount \
             FROM (SELECT s.currency AS currency, toDate(s.occurred_at) AS day, s.amount AS amount, s.is_fraud AS is_fraud, \
                   {reviewed} AS is_reviewed, {blocked} AS is_blocked FROM {database}.labelled_scores AS s \
                   WHERE s.occurred_at >= fromUnixTimestamp64Milli(?, 'UTC') AND s.occurred_at < fromUnixTimestamp64Milli(?, 'UTC')) \
             GROUP BY currency ORDER BY currency"
        );
        self.deadline(self.reading(&sql).bind(from).bind(to).fetch_all()).await
    }
}
