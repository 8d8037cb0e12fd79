//! What one customer did in the hours before an instant.

use super::{ClickHouse, ClickHouseError, tables::TRANSACTIONS};
use clickhouse::Row;
use millrace_schemas::time::HOUR_MS;
use serde::Deserialize;

/// Lengths of the windows in hours, the shortest first.
pub const WINDOW_HOURS: [i64; 4] = [3, 6, 12, 24];

/// A customer's transactions in one currency, of each of [`WINDOW_HOURS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrencyWindows {
    /// ISO 4217 code.
    pub currency: String,
    /// Transactions.
    pub counts: [u64; 4],
    /// Sums of their amounts, in ten-thousandths of the currency unit.
    pub amounts: [i128; 4],
}

#[derive(Row, Deserialize)]
struct Latest {
    latest: Option<i64>,
}

#[derive(Row, Deserialize)]
struct WindowsRow {
    currency: String,
    counts: Vec<u64>,
    amounts: Vec<i128>,
}

impl ClickHouse {
    /// Time of a customer's latest transaction, epoch milliseconds; `None` when it has none.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn latest_of(&self, customer_id: &str) -> Result<Option<i64>, ClickHouseError> {
        // Of the days, since their key has the customer: the tables' first key is the hour, of which there may be many.
        let sql = format!(
            "SELECT maxOrNull(s.last_at) AS latest FROM {}.customer_stats_1d AS s WHERE s.customer_id = ?",
            self.database()
        );
        let found: Latest = self.deadline(self.reading(&sql).bind(customer_id).fetch_one()).await?;
        Ok(found.latest)
    }

    /// A customer's transactions with `occurred_at` in `(at - w, at]` for each window `w`, by currency in the order of their codes.
    /// `at` is epoch milliseconds.
    ///
    /// # Errors
    /// As [`latest_of`](Self::latest_of).
    pub async fn windows_of(&self, customer_id: &str, at: i64) -> Result<Vec<CurrencyWindows>, ClickHouseError> {
        let [a, b, c, d] = WINDOW_HOURS.map(|hours| at - hours * HOUR_MS);
        // The condition on the time reads one day of the table, whose key goes on with the customer.
        let sql = format!(
            "SELECT currency, [countIf(ms > ?), countIf(ms > ?), countIf(ms > ?), countIf(ms > ?)] AS counts, \
             [sumIf(amount, ms > ?), sumIf(amount, ms > ?), sumIf(amount, ms > ?), sumIf(amount, ms > ?)] AS amounts FROM ( \
               SELECT t.currency AS currency, t.amount AS amount, toUnixTimestamp64Milli(t.occurred_at) AS ms FROM {}.{} AS t \
               WHERE t.customer_id = ? AND t.occurred_at > fromUnixTimestamp64Milli(toInt64(?), 'UTC') \
               AND t.occurred_at <= fromUnixTimestamp64Milli(toInt64(?), 'UTC') \
             ) GROUP BY currency ORDER BY currency",
            self.database(),
            TRANSACTIONS.name
        );
        let query = [a, b, c, d, a, b, c, d].into_iter().fold(self.reading(&sql), |query, begin| query.bind(begin));
        let query = query.bind(customer_id).bind(d).bind(at);
        let rows: Vec<WindowsRow> = self.deadline(query.fetch_all()).await?;
        rows.into_iter().map(windows).collect()
    }
}

fn windows(row: WindowsRow) -> Result<CurrencyWindows, ClickHouseError> {
    let other = || ClickHouseError::Unreadable("an answer has not one figure for each window".to_owned());
    let counts = row.counts.try_into().map_err(|_| other())?;
    let amounts = row.amounts.try_into().map_err(|_| other())?;
    Ok(CurrencyWindows { currency: row.currency, counts, amounts })
}
