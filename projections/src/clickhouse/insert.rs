//! One insert of rows that are already bytes.

use super::ClickHouseError;
use bytes::Bytes;
use clickhouse::Client;
use millrace_runtime::sabotage::{self, Sabotage};
use std::time::Duration;

/// Bytes sent and compressed at a time.
const CHUNK: usize = 1 << 20;

/// Rows for one table.
#[derive(Debug)]
pub(super) struct Rows {
    /// Public name of the table.
    pub(super) table: &'static str,
    /// Columns in the order of the bytes.
    pub(super) columns: Vec<&'static str>,
    /// How many rows the bytes are.
    pub(super) count: u64,
    /// The rows as `RowBinary`.
    pub(super) bytes: Bytes,
}

/// How a server is given rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// How long it may take, materialized views included.
    pub(super) timeout: Duration,
    /// Whether a majority of replicas must have the rows before the answer.
    pub(super) replicated: bool,
}

/// What an insert's effect depends on, said with every insert: these defaults differ between versions, and profiles of the
/// server may change them.
const SETTINGS: &[(&str, &str)] = &[
    // The answer comes when the rows are in the table, not when they wait for others.
    ("async_insert", "0"),
    // A token is taken once, by the table and by every rollup that follows it.
    ("insert_deduplicate", "1"),
    ("deduplicate_insert", "enable"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    // A rollup that fails fails the insert, which is then repeated and heals it.
    ("materialized_views_ignore_errors", "0"),
    ("parallel_view_processing", "0"),
    // One insert is one block, since it is the block that has the token: no limit of rows or bytes may cut it.
    ("max_insert_block_size", ONE_BLOCK),
    ("min_insert_block_size_rows", ONE_BLOCK),
    ("min_insert_block_size_bytes", ONE_BLOCK),
    ("min_insert_block_size_rows_for_materialized_views", "0"),
    ("min_insert_block_size_bytes_for_materialized_views", "0"),
];

/// More rows and bytes than any batch has.
const ONE_BLOCK: &str = "1000000000000";

/// Sends rows and waits until table and rollups have them.
pub(super) async fn send(
    client: &Client,
    table: &str,
    rows: &Rows,
    token: &str,
    Way { timeout, replicated }: Way,
) -> Result<(), ClickHouseError> {
    let sql = format!("INSERT INTO {table} ({}) FORMAT RowBinary", rows.columns.join(", "));
    let mut insert = client
        .insert_formatted_with(sql)
        // The server gives up before the client does, so that an insert repeated meets no insert under way.
        .with_setting("max_execution_time", timeout.as_secs().max(1).to_string())
        .with_timeouts(Some(timeout), Some(timeout + GRACE));
    for (name, value) in SETTINGS {
        insert = insert.with_setting(*name, *value);
    }
    insert = if sabotage::is_on(Sabotage::Token) {
        insert.with_setting("insert_deduplicate", "0").with_setting("deduplicate_insert", "disable")
    } else {
        insert.with_setting("insert_deduplication_token", token)
    };
    if replicated {
        insert = insert.with_setting("insert_quorum", "auto").with_setting("insert_quorum_parallel", "0");
    }
    let mut rest = rows.bytes.clone();
    while !rest.is_empty() {
        insert.send(rest.split_to(CHUNK.min(rest.len()))).await?;
    }
    Ok(insert.end().await?)
}

/// How much longer the client waits than the server works.
const GRACE: Duration = Duration::from_secs(2);
