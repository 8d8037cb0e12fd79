//! Where one event is: its rows in all tables.

use super::{ClickHouse, ClickHouseError};
use clickhouse::Row;
use serde::{Deserialize, Serialize};

/// Most rows that one lookup gives of each table.
const ROWS_MAX: usize = 100;

/// A row that has to do with an id.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct Found {
    /// Public name of the table.
    pub table: String,
    /// Id across systems; empty where the table has none.
    pub trn_id: String,
    /// Customer or place; empty where the table has none.
    pub owner: String,
    /// The client's id of it; the request's id in `requests` and `dead_letters`.
    pub business_id: String,
    /// What came of it, in a word: a decision, a receipt's kind, an error code, an HTTP status.
    pub outcome: String,
    /// Journal record it comes from, as `topic/partition/offset`; empty when it came from none.
    pub source: String,
    /// When the broker appended that record, epoch milliseconds; 0 when it came from none.
    pub source_timestamp: i64,
    /// When it was taken in, epoch milliseconds.
    pub received_at: i64,
    /// Topic the row was read from.
    pub topic: String,
    /// Partition of that topic.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// Kafka's time of that record, epoch milliseconds.
    pub timestamp: i64,
    /// When the row was written, epoch milliseconds by the server's clock.
    pub stored_at: i64,
}

/// How a table answers a lookup; its rows are `t`, and `?` stands for the id.
struct Place {
    table: &'static str,
    /// The first columns of [`Found`] as the table has them.
    columns: &'static str,
    /// Conditions on an id that is a UUID. One query for each condition, since an index answers one column.
    by_uuid: &'static [&'static str],
    /// Conditions on an id of any form.
    by_text: &'static [&'static str],
}

const PLACES: &[Place] = &[
    Place {
        table: "transactions",
        columns: "toString(t.trn_id) AS trn_id, t.customer_id AS owner, t.transaction_id AS business_id, 'stored' AS outcome, \
                  concat('transactions/', t.source_partition, '/', t.source_offset) AS source, \
                  toUnixTimestamp64Milli(t.source_timestamp) AS source_timestamp",
        by_uuid: &["t.trn_id = ?"],
        by_text: &["t.transaction_id = ?"],
    },
    Place {
        table: "transaction_scores",
        columns: "toString(t.trn_id) AS trn_id, t.customer_id AS owner, t.transaction_id AS business_id, \
                  toString(t.decision) AS outcome, \
                  concat('transactions/', t.source_partition, '/', t.source_offset) AS source, \
                  toUnixTimestamp64Milli(t.source_timestamp) AS source_timestamp",
        by_uuid: &["t.trn_id = ?"],
        by_text: &["t.transaction_id = ?"],
    },
    Place {
        table: "receipts",
        columns: "toString(t.trn_id) AS trn_id, t.place_id AS owner, t.transaction_id AS business_id, \
                  toString(t.kind) AS outcome, \
                  concat('receipts/', t.source_partition, '/', t.source_offset) AS source, \
                  toUnixTimestamp64Milli(t.source_timestamp) AS source_timestamp",
        by_uuid: &["t.trn_id = ?"],
        by_text: &["t.transaction_id = ?"],
    },
    Place {
        table: "receipt_matches",
        columns: "toString(t.trn_id) AS trn_id, t.place_id AS owner, t.transaction_id AS business_id, \
                  toString(t.outcome) AS outcome, '' AS source, toInt64(0) AS source_timestamp",
        by_uuid: &["t.trn_id = ?", "t.paid_by_trn_id = ?"],
        by_text: &["t.transaction_id = ?", "ifNull(t.paid_by_transaction_id, '') = ?"],
    },
    Place {
        table: "labels",
        columns: "toString(t.trn_id) AS trn_id, t.customer_id AS owner, t.transaction_id AS business_id, \
                  toString(t.label) AS outcome, '' AS source, toInt64(0) AS source_timestamp",
        by_uuid: &["t.trn_id = ?", "t.label_trn_id = ?"],
        by_text: &["t.transaction_id = ?", "t.label_id = ?"],
    },
    Place {
        table: "duplicates",
        columns: "toString(t.trn_id) AS trn_id, '' AS owner, '' AS business_id, 'duplicate' AS outcome, \
                  concat(toString(t.source_topic), '/', t.source_partition, '/', t.source_offset) AS source, \
                  toUnixTimestamp64Milli(t.received_at) AS source_timestamp",
        by_uuid: &["t.trn_id = ?"],
        by_text: &[],
    },
    Place {
        table: "dead_letters",
        columns: "'' AS trn_id, '' AS owner, ifNull(t.request_id, '') AS business_id, toString(t.code) AS outcome, \
                  ifNull(concat(toString(t.source_topic), '/', t.source_partition, '/', t.source_offset), '') AS source, \
                  if(t.source_topic IS NULL, 0, toUnixTimestamp64Milli(t.received_at)) AS source_timestamp",
        by_uuid: &["t.event_id = ?"],
        by_text: &["ifNull(t.request_id, '') = ?"],
    },
    Place {
        table: "requests",
        columns: "'' AS trn_id, '' AS owner, t.request_id AS business_id, toString(t.http_status) AS outcome, \
                  '' AS source, toInt64(0) AS source_timestamp",
        by_uuid: &["has(arrayMap(id -> ifNull(id, ''), t.results.trn_id), ?)"],
        by_text: &["t.request_id = ?"],
    },
];

impl ClickHouse {
    /// Every row that has to do with an id: a `trn_id`, a business id, a request's id or a dead letter's event id. At most 100
    /// for each way a table can know it, in the tables' and the log's order.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn find(&self, id: &str) -> Result<Vec<Found>, ClickHouseError> {
        let is_uuid = uuid::Uuid::try_parse(id).is_ok();
        let mut found = Vec::new();
        for place in PLACES {
            for condition in if is_uuid { place.by_uuid } else { &[] }.iter().chain(place.by_text) {
                let query = self.query(&self.lookup(place, condition)).bind(id);
                found.extend(self.deadline(query.fetch_all()).await?);
            }
        }
        Ok(found)
    }

    fn lookup(&self, place: &Place, condition: &str) -> String {
        let Place { table, columns, .. } = place;
        format!(
            "SELECT '{table}' AS table, {columns}, toUnixTimestamp64Milli(t.received_at) AS received_at, \
             toString(t._topic) AS topic, t._partition AS partition, t._offset AS offset, \
             toUnixTimestamp64Milli(t._timestamp) AS timestamp, toUnixTimestamp64Milli(t._stored_at) AS stored_at \
             FROM {}.{table} AS t WHERE {condition} ORDER BY t._partition, t._offset LIMIT {ROWS_MAX}",
            self.database(),
        )
    }
}
