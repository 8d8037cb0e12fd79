//! Questions about figures, whose answers the server writes itself in the format that the caller wants, within limits.

use super::{ClickHouse, ClickHouseError, set::Set};
use bytes::Bytes;
use clickhouse::query::BytesCursor;
use std::time::Duration;

/// How much the server may spend on one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Time until it gives up.
    pub time_max: Duration,
    /// Rows of tables.
    pub rows_read_max: u64,
    /// Rows of the answer.
    pub rows_answered_max: u64,
    /// Memory in bytes.
    pub memory_max_bytes: u64,
}

/// A question with its values, each bound by the server where the text says `{name:Type}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The text; it holds no value of a caller.
    pub sql: String,
    /// The values by name.
    pub values: Vec<(String, Value)>,
}

/// A value as the server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Any scalar, written as text.
    One(String),
    /// A list of texts.
    Texts(Vec<String>),
}

/// An answer on its way. Dropped, the server is told to stop.
pub struct Answering {
    first: Option<Bytes>,
    rest: BytesCursor,
}

impl Answering {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When the server cannot go on; what came before is then no whole answer.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClickHouseError> {
        match self.first.take() {
            Some(bytes) => Ok(Some(bytes)),
            None => Ok(self.rest.next().await?),
        }
    }
}

impl ClickHouse {
    /// Asks in a format of the server's, such as `JSONEachRow`. Returns when the first bytes are there, so that what the server cannot
    /// answer is an error and no torn answer.
    ///
    /// # Errors
    /// When the server does not answer, or the question takes more than the bounds.
    pub async fn answering(
        &self,
        question: &Question,
        format: &str,
        bounds: Bounds,
    ) -> Result<Answering, ClickHouseError> {
        let Bounds { time_max, rows_read_max, rows_answered_max, memory_max_bytes } = bounds;
        let query = self
            .query_as_it_is(&question.sql)
            // Of those the server ends a read only by itself when nobody waits for it any more.
            .with_setting("readonly", "2")
            .with_setting("cancel_http_readonly_queries_on_client_close", "1")
            .with_setting("max_execution_time", time_max.as_secs().max(1).to_string())
            .with_setting("timeout_overflow_mode", "throw")
            // A rollup has few rows for a server that scans, but each costs much: several threads are worth it earlier.
            .with_setting("merge_tree_min_rows_for_concurrent_read", "16384")
            .with_setting("merge_tree_min_bytes_for_concurrent_read", "1000000")
            .with_setting("max_memory_usage", memory_max_bytes.to_string())
            .with_setting("max_rows_to_read", rows_read_max.to_string())
            .with_setting("read_overflow_mode", "throw")
            .with_setting("max_result_rows", rows_answered_max.to_string())
            .with_setting("result_overflow_mode", "throw")
            .with_setting("date_time_output_format", "iso")
            .with_setting("output_format_json_quote_64bit_integers", "0")
            .with_setting("output_format_json_quote_decimals", "0")
            .with_setting("output_format_json_escape_forward_slashes", "0");
        let query = question.values.iter().fold(query, |query, (name, value)| match value {
            Value::One(text) => query.param(name, text),
            Value::Texts(texts) => query.param(name, texts),
        });
        let begin = async {
            let mut rest = query.fetch_bytes(format)?;
            let first = rest.next().await?;
            Ok(Answering { first, rest })
        };
        // The server ends it itself, and says why.
        let patience = time_max + Duration::from_secs(1);
        match tokio::time::timeout(patience, begin).await {
            Ok(begun) => begun,
            Err(_) => Err(ClickHouseError::Unreachable(format!("no answer within {} ms", patience.as_millis()))),
        }
    }

    /// The latest time in a column of a set's rollup, epoch milliseconds; `None` while it is empty.
    ///
    /// # Errors
    /// When the server does not answer or the tables are not migrated.
    pub async fn latest_in(&self, set: Set, rollup: &str, column: &str) -> Result<Option<i64>, ClickHouseError> {
        let stored = format!("{}.{}", self.database(), set.stored_as(rollup));
        let sql = format!("SELECT maxOrNull(toInt64(toUnixTimestamp(s.{column})) * 1000) AS latest FROM {stored} AS s");
        self.deadline(self.reading(&sql).fetch_one()).await
    }

    /// When the broker appended the latest of the journal records that these rows of a set's table came of, epoch milliseconds; rows
    /// are named by partition and offset.
    ///
    /// # Errors
    /// As [`latest_in`](Self::latest_in).
    pub async fn appended_at(
        &self,
        set: Set,
        table: &str,
        rows: &[(i32, i64)],
    ) -> Result<Option<i64>, ClickHouseError> {
        if rows.is_empty() {
            return Ok(None);
        }
        let stored = format!("{}.{}", self.database(), set.stored_as(table));
        let sql = format!(
            "SELECT maxOrNull(toUnixTimestamp64Milli(t.source_timestamp)) AS latest FROM {stored} AS t WHERE (t._partition, t._offset) IN ?"
        );
        self.deadline(self.reading(&sql).bind(rows).fetch_one()).await
    }

    /// What became of a journal record that the tables have no row of: `Some(Some(first))` when it repeats the record at offset `first`,
    /// `Some(None)` when it is a dead letter, `None` when neither is known.
    ///
    /// # Errors
    /// As [`latest_in`](Self::latest_in).
    pub async fn without_effect(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<Option<Option<i64>>, ClickHouseError> {
        let sql = format!(
            "SELECT toInt64(t.first_offset) AS first FROM {database}.duplicates AS t \
             WHERE t.source_topic = ? AND t.source_partition = ? AND t.source_offset = ? UNION ALL \
             SELECT toInt64(-1) AS first FROM {database}.dead_letters AS t \
             WHERE t.source_topic = ? AND t.source_partition = ? AND t.source_offset = ?",
            database = self.database()
        );
        let query = self.reading(&sql).bind(topic).bind(partition).bind(offset);
        let found: Vec<i64> = self.deadline(query.bind(topic).bind(partition).bind(offset).fetch_all()).await?;
        Ok(found.first().map(|first| Some(*first).filter(|first| *first >= 0)))
    }

    /// The set that the public names show.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn live_set(&self) -> Result<Set, ClickHouseError> {
        self.live().await
    }
}
