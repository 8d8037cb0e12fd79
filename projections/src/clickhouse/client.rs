//! The server: reaching it, asking it, inserting into it.

use super::{
    ClickHouseConfig, ClickHouseError, DatabaseName,
    ddl::Ddl,
    insert::{self, Way},
    set::Set,
    tables,
};
use clickhouse::{Client, Row, query::Query};
use serde::Deserialize;
use std::{collections::BTreeMap, future::Future, time::Duration};

/// Most memory the server gives to a question about one transaction or customer, in bytes.
const READ_MEMORY_MAX_BYTES: u64 = 512 << 20;

/// A ClickHouse server and the database Millrace has there. Cheap to clone.
#[derive(Clone)]
pub struct ClickHouse {
    client: Client,
    database: DatabaseName,
    query_timeout: Duration,
    way: Way,
    pub(super) ddl: Ddl,
}

/// Rows of one table.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
struct StoredRows {
    name: String,
    rows: u64,
}

impl ClickHouse {
    /// A client of the configured server. Nothing is sent yet.
    ///
    /// # Errors
    /// When the database's name is not a plain identifier.
    pub fn new(config: &ClickHouseConfig) -> Result<Self, ClickHouseError> {
        let client = Client::default()
            .with_url(&config.url)
            .with_user(&config.user)
            .with_password(config.password.expose())
            .with_product_info("millrace", env!("CARGO_PKG_VERSION"));
        let database = DatabaseName::new(&config.database)?;
        Ok(Self {
            client,
            ddl: Ddl::new(config, database.clone()),
            database,
            query_timeout: Duration::from_millis(config.query_timeout_ms),
            way: Way { timeout: Duration::from_millis(config.insert_timeout_ms), replicated: config.replicated },
        })
    }

    /// The same server, given more or less time for an answer.
    #[must_use]
    pub fn with_query_timeout(mut self, timeout: Duration) -> Self {
        self.query_timeout = timeout;
        self
    }

    /// The database that holds Millrace's tables.
    pub fn database(&self) -> &DatabaseName {
        &self.database
    }

    /// The server's version; shows that it can be reached and lets the user in.
    ///
    /// # Errors
    /// When it does not answer or refuses the user.
    pub async fn version(&self) -> Result<String, ClickHouseError> {
        self.deadline(self.query("SELECT version()").fetch_one()).await
    }

    /// How many rows each table of the live set has, by its public name.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn counts(&self) -> Result<BTreeMap<String, u64>, ClickHouseError> {
        let query = self
            .query("SELECT name, ifNull(total_rows, 0) AS rows FROM system.tables WHERE database = ?")
            .bind(self.database.as_str());
        let live = self.live().await?;
        let stored: Vec<StoredRows> = self.deadline(query.fetch_all()).await?;
        let of =
            |name: &str| stored.iter().find(|table| table.name == live.stored_as(name)).map_or(0, |table| table.rows);
        Ok(tables::names().map(|name| (name.to_owned(), of(name))).collect())
    }

    /// A query with `?` for values to bind. Tables must be named with their database.
    pub fn query(&self, sql: &str) -> Query {
        self.client.query(sql)
    }

    /// A query like [`query`](Self::query) that the server itself ends when it takes longer than this client waits, or much memory.
    pub(super) fn reading(&self, sql: &str) -> Query {
        self.query(sql)
            .with_setting("max_execution_time", self.query_timeout.as_secs().max(1).to_string())
            .with_setting("max_memory_usage", READ_MEMORY_MAX_BYTES.to_string())
    }

    /// A query in which `?` has no meaning.
    pub(super) fn query_as_it_is(&self, sql: &str) -> Query {
        self.client.query_raw(sql)
    }

    /// Runs a statement that gives no rows; `?` has no meaning in it.
    ///
    /// # Errors
    /// When the server does not answer or refuses it.
    pub async fn execute(&self, sql: &str) -> Result<(), ClickHouseError> {
        self.deadline(self.query_as_it_is(sql).execute()).await
    }

    /// Waits for an answer, but not longer than the configured time.
    ///
    /// # Errors
    /// The answer's own, and when there is none in time.
    pub async fn deadline<T>(
        &self,
        answer: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, ClickHouseError> {
        match tokio::time::timeout(self.query_timeout, answer).await {
            Ok(result) => result.map_err(ClickHouseError::from),
            Err(_) => {
                Err(ClickHouseError::Unreachable(format!("no answer within {} ms", self.query_timeout.as_millis())))
            }
        }
    }

    /// Inserts rows so that the same token takes effect once; `Ok` says that the table and all its rollups have them.
    pub(super) async fn insert(&self, set: Set, rows: &insert::Rows, token: &str) -> Result<(), ClickHouseError> {
        let table = format!("{}.{}", self.database, set.stored_as(rows.table));
        insert::send(&self.client, &table, rows, token, self.way).await
    }
}
