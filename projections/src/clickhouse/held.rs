//! What the tables hold of a stretch of the log, for whoever compares it with the log itself.

use super::{
    ClickHouse, ClickHouseError,
    tables::{DEAD_LETTERS, RECEIPT_ITEMS, RECEIPT_MATCHES, RECEIPTS, TRANSACTION_SCORES, TRANSACTIONS},
};
use clickhouse::Row;
use millrace_schemas::Topic;
use serde::Deserialize;

/// A stretch of one partition: offsets from the first up to, but without, the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Topic.
    pub topic: Topic,
    /// Partition.
    pub partition: i32,
    /// First offset.
    pub from: i64,
    /// Offset behind the last.
    pub until: i64,
}

/// What a table holds in one currency, or in all where it has none.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct Held {
    /// ISO 4217 code; empty where the table has no money.
    pub currency: String,
    /// Rows.
    pub rows: u64,
    /// Sum of [`offset_hash`] over the rows, modulo 2^64.
    pub checksum: u64,
    /// Sum of money in ten-thousandths of the currency unit, decimal digits.
    pub amount: String,
}

/// What a table holds of one record.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
pub struct HeldOffset {
    /// Offset of the record.
    pub offset: i64,
    /// Rows.
    pub rows: u64,
    /// Its currency.
    pub currency: String,
    /// Sum of money, as in [`Held`].
    pub amount: String,
}

/// The column of money that is compared; its currency is in `currency`.
fn money_of(table: &str) -> Option<&'static str> {
    [
        (TRANSACTIONS.name, "amount"),
        (TRANSACTION_SCORES.name, "amount"),
        (RECEIPTS.name, "total_amount"),
        (RECEIPT_ITEMS.name, "amount"),
        (RECEIPT_MATCHES.name, "amount"),
    ]
    .into_iter()
    .find_map(|(name, column)| (name == table).then_some(column))
}

/// ClickHouse's `intHash64` of an offset.
pub fn offset_hash(offset: i64) -> u64 {
    let mut hash = offset.cast_unsigned() ^ 0x4cf2_d2ba_ae6d_a887;
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

impl ClickHouse {
    /// What a table holds of a stretch, by currency.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn held(&self, table: &str, stretch: &Stretch) -> Result<Vec<Held>, ClickHouseError> {
        let (currency, amount) = money(table);
        let sql = format!(
            "SELECT {currency} AS currency, count() AS rows, sum(intHash64(t._offset)) AS checksum, \
             toString(sum({amount})) AS amount FROM {}.{table} AS t \
             WHERE t._topic = ? AND t._partition = ? AND t._offset >= ? AND t._offset < ? GROUP BY currency ORDER BY currency",
            self.database()
        );
        self.ask(&sql, stretch).await
    }

    /// What a table holds of each record of a stretch.
    ///
    /// # Errors
    /// As [`held`](Self::held).
    pub async fn held_offsets(&self, table: &str, stretch: &Stretch) -> Result<Vec<HeldOffset>, ClickHouseError> {
        let (currency, amount) = money(table);
        let sql = format!(
            "SELECT t._offset AS offset, count() AS rows, any({currency}) AS currency, toString(sum({amount})) AS amount \
             FROM {}.{table} AS t WHERE t._topic = ? AND t._partition = ? AND t._offset >= ? AND t._offset < ? \
             GROUP BY offset ORDER BY offset",
            self.database()
        );
        self.ask(&sql, stretch).await
    }

    /// Offsets of a stretch whose records could not be stored and became dead letters instead.
    ///
    /// # Errors
    /// As [`held`](Self::held).
    pub async fn given_up(&self, stretch: &Stretch) -> Result<Vec<i64>, ClickHouseError> {
        let sql = format!(
            "SELECT DISTINCT assumeNotNull(source_offset) AS offset FROM {}.{} \
             WHERE source_topic = ? AND source_partition = ? AND source_offset >= ? AND source_offset < ? ORDER BY offset",
            self.database(),
            DEAD_LETTERS.name
        );
        self.ask(&sql, stretch).await
    }

    async fn ask<T>(&self, sql: &str, stretch: &Stretch) -> Result<Vec<T>, ClickHouseError>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead,
    {
        let query = self.query(sql).bind(stretch.topic.name()).bind(stretch.partition);
        self.deadline(query.bind(stretch.from).bind(stretch.until).fetch_all::<T>()).await
    }
}

/// A table's currency and amount as expressions.
fn money(table: &str) -> (&'static str, String) {
    match money_of(table) {
        Some(column) => ("toString(t.currency)", format!("toInt128(toDecimal128(t.{column}, 4) * 10000)")),
        None => ("''", "toInt128(0)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clickhouse::tables::{self, DUPLICATES, LABELS, REQUESTS};

    #[test]
    fn every_table_either_has_money_or_none() {
        let without = [DEAD_LETTERS.name, DUPLICATES.name, LABELS.name, REQUESTS.name];
        for name in tables::names() {
            assert_ne!(money_of(name).is_some(), without.contains(&name), "{name}");
        }
    }
}
