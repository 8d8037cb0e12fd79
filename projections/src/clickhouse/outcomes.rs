//! What became of the items of a request: its record, and the rows that came of what it brought.

use super::{ClickHouse, ClickHouseError};
use clickhouse::{Row, query::Query};
use serde::Deserialize;
use uuid::Uuid;

/// Most rows read of one request; more than the items a gateway takes.
const ROWS_MAX: usize = 50_000;
/// Ids asked for at a time, so that a statement stays well below what a server reads.
const IDS_MAX: usize = 1_000;

/// A field that is wrong: where, code, words.
pub type Wrong = (String, String, String);

/// An item's answer: position, id across systems, status, partition and offset in the journal, what is wrong with it.
pub type Answered = (i32, Option<String>, String, Option<i32>, Option<i64>, Vec<Wrong>);

/// The record of a batch or of a refused request.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct RequestRecord {
    /// When it arrived, epoch milliseconds.
    pub received_at: i64,
    /// HTTP method.
    pub method: String,
    /// HTTP path.
    pub path: String,
    /// Status answered.
    pub http_status: i32,
    /// Code when it was refused as a whole.
    pub code: Option<String>,
    /// The refusal in words.
    pub message: Option<String>,
    /// Items accepted.
    pub accepted: i32,
    /// One per item.
    pub results: Vec<Answered>,
}

/// What a row says became of a record.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct OutcomeRow {
    /// `scored`, `purchase`, `labelled`, `duplicate`, `dead_letter` of a journal record, or `refused` by the gateway.
    pub kind: String,
    /// Id across systems; empty for dead letters.
    pub trn_id: String,
    /// Position in the request's batch.
    pub index: Option<i32>,
    /// The journal; for what was refused, the one it was meant for.
    pub topic: String,
    /// Partition of the journal; -1 for what was refused.
    pub partition: i32,
    /// Offset in the journal; -1 for what was refused.
    pub offset: i64,
    /// Id of the event that says it.
    pub event_id: String,
    /// A decision, a receipt's kind, or a dead letter's code.
    pub detail: String,
    /// Score, 0 to 1.
    pub scoring: Option<f64>,
    /// Offset of the record this one repeats.
    pub first_offset: Option<i64>,
}

/// How a table's rows become [`OutcomeRow`]s; its rows are `t`.
struct Told {
    table: &'static str,
    /// Column with the rows' own id across systems.
    id: &'static str,
    columns: &'static str,
}

const SCORES: Told = Told {
    table: "transaction_scores",
    id: "trn_id",
    columns: "'scored' AS kind, toString(t.trn_id) AS trn_id, t.request_index AS index, 'transactions' AS topic, \
              t.source_partition AS partition, t.source_offset AS offset, toString(t.event_id) AS event_id, \
              toString(t.decision) AS detail, toNullable(t.scoring) AS scoring, CAST(NULL AS Nullable(Int64)) AS first_offset",
};

const RECEIPTS: Told = Told {
    table: "receipts",
    id: "trn_id",
    columns: "'purchase' AS kind, toString(t.trn_id) AS trn_id, t.request_index AS index, 'receipts' AS topic, \
              t.source_partition AS partition, t.source_offset AS offset, toString(t.event_id) AS event_id, \
              toString(t.kind) AS detail, CAST(NULL AS Nullable(Float64)) AS scoring, CAST(NULL AS Nullable(Int64)) AS first_offset",
};

const LABELS: Told = Told {
    table: "labels",
    id: "label_trn_id",
    columns: "'labelled' AS kind, toString(t.label_trn_id) AS trn_id, t.request_index AS index, 'labels' AS topic, \
              t._partition AS partition, t._offset AS offset, toString(t.event_id) AS event_id, \
              toString(t.label) AS detail, CAST(NULL AS Nullable(Float64)) AS scoring, CAST(NULL AS Nullable(Int64)) AS first_offset",
};

const DUPLICATES: Told = Told {
    table: "duplicates",
    id: "trn_id",
    columns: "'duplicate' AS kind, toString(t.trn_id) AS trn_id, t.request_index AS index, toString(t.source_topic) AS topic, \
              t.source_partition AS partition, t.source_offset AS offset, toString(t.event_id) AS event_id, \
              '' AS detail, CAST(NULL AS Nullable(Float64)) AS scoring, toNullable(t.first_offset) AS first_offset",
};

const LETTERS: Told = Told {
    table: "dead_letters",
    id: "event_id",
    columns: "if(t.source_topic IS NULL, 'refused', 'dead_letter') AS kind, '' AS trn_id, t.request_index AS index, \
              ifNull(toString(t.source_topic), toString(t.target_topic)) AS topic, ifNull(t.source_partition, toInt32(-1)) AS partition, \
              ifNull(t.source_offset, toInt64(-1)) AS offset, toString(t.event_id) AS event_id, toString(t.code) AS detail, \
              CAST(NULL AS Nullable(Float64)) AS scoring, CAST(NULL AS Nullable(Int64)) AS first_offset",
};

impl ClickHouse {
    /// The record of a request; the latest where a client used the id again.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn request(&self, request_id: &str) -> Result<Option<RequestRecord>, ClickHouseError> {
        let sql = format!(
            "SELECT toUnixTimestamp64Milli(t.received_at) AS received_at, toString(t.method) AS method, t.path AS path, \
             t.http_status AS http_status, CAST(t.code AS Nullable(String)) AS code, t.message AS message, t.accepted AS accepted, \
             CAST(t.results AS Array(Tuple(Int32, Nullable(String), String, Nullable(Int32), Nullable(Int64), \
             Array(Tuple(String, String, String))))) AS results \
             FROM {}.requests AS t WHERE t.request_id = ? ORDER BY t._timestamp DESC, t._offset DESC LIMIT 1",
            self.database()
        );
        self.deadline(self.query(&sql).bind(request_id).fetch_optional()).await
    }

    /// What became of everything a request brought.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn outcomes_of_request(&self, request_id: &str) -> Result<Vec<OutcomeRow>, ClickHouseError> {
        let tables = [SCORES, RECEIPTS, LABELS, DUPLICATES, LETTERS];
        let query = self.query(&self.outcomes(&tables, |_| "ifNull(t.request_id, '') = ?".to_owned()));
        self.deadline(tables.iter().fold(query, |query, _| query.bind(request_id)).fetch_all()).await
    }

    /// What became of everything with one of these ids across systems, whichever request brought it.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn outcomes_of_ids(&self, trn_ids: &[Uuid]) -> Result<Vec<OutcomeRow>, ClickHouseError> {
        let tables = [SCORES, RECEIPTS, LABELS, DUPLICATES];
        let mut all = Vec::new();
        for ids in trn_ids.chunks(IDS_MAX) {
            let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
            let query = self.query(&self.outcomes(&tables, |told| format!("t.{} IN ?", told.id)));
            let query = tables.iter().fold(query, |query: Query, _| query.bind(&ids));
            all.extend(self.deadline(query.fetch_all::<OutcomeRow>()).await?);
        }
        Ok(all)
    }

    /// The dead letters of records at these partitions and offsets of either journal.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn letters_at(&self, positions: &[(i32, i64)]) -> Result<Vec<OutcomeRow>, ClickHouseError> {
        let mut all = Vec::new();
        for positions in positions.chunks(IDS_MAX) {
            let condition = |_: &Told| "(ifNull(t.source_partition, -1), ifNull(t.source_offset, -1)) IN ?".to_owned();
            let query = self.query(&self.outcomes(&[LETTERS], condition)).bind(positions);
            all.extend(self.deadline(query.fetch_all::<OutcomeRow>()).await?);
        }
        Ok(all)
    }

    fn outcomes(&self, tables: &[Told], condition: impl Fn(&Told) -> String) -> String {
        let database = self.database();
        let select = |told: &Told| {
            let Told { table, columns, .. } = told;
            format!("SELECT {columns} FROM {database}.{table} AS t WHERE {}", condition(told))
        };
        let union: Vec<String> = tables.iter().map(select).collect();
        format!("SELECT * FROM ({}) ORDER BY topic, partition, offset LIMIT {ROWS_MAX}", union.join(" UNION ALL "))
    }
}
