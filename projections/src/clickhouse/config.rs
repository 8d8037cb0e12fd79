//! How the server is reached.

use super::ClickHouseError;
use millrace_runtime::config::Secret;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of a database.
const NAME_MAX: usize = 64;

/// The section `[clickhouse]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClickHouseConfig {
    /// HTTP interface, `http://` or `https://`. Certificates are verified against the public roots.
    pub url: String,
    /// Database that holds Millrace's tables; made when it is missing.
    pub database: String,
    /// User.
    pub user: String,
    /// Password; empty for none.
    pub password: Secret,
    /// How long one insert may take, materialized views included.
    pub insert_timeout_ms: u64,
    /// How long any other query may take.
    pub query_timeout_ms: u64,
    /// How many inserts back each table remembers tokens; given to tables when they are made.
    ///
    /// A batch that is repeated after more inserts than this takes effect twice. Only other partitions' batches come between,
    /// so it bounds how long one partition may stand still while the others go on: 50,000 inserts are an hour of 13 a second,
    /// which is 4 partitions with a batch every 300 ms. A projector that meets rows written twice stops. An insert remembered
    /// takes about 300 bytes of the server's memory in each table.
    pub deduplication_window: u64,
    /// For how long replicated tables remember a token at most, in seconds; given to tables when they are made. A projector that was
    /// away longer while its last batch was not settled has its rows counted, and stops when they stand twice.
    pub deduplication_window_seconds: u64,
    /// Whether tables are made replicated, in a database that hands statements to all replicas, and inserts wait for a majority.
    /// Fixed once the tables exist.
    pub replicated: bool,
}

impl Default for ClickHouseConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".into(),
            database: "millrace".into(),
            user: "default".into(),
            password: Secret::default(),
            insert_timeout_ms: 60_000,
            query_timeout_ms: 30_000,
            deduplication_window: 50_000,
            deduplication_window_seconds: 7 * 86_400,
            replicated: false,
        }
    }
}

/// Name of a database that can stand in SQL as it is: a letter or `_`, then letters, digits and `_`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseName(String);

impl DatabaseName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it could be anything but a plain identifier.
    pub fn new(name: &str) -> Result<Self, ClickHouseError> {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let begins_well = name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        if plain && begins_well && name.len() <= NAME_MAX {
            Ok(Self(name.to_owned()))
        } else {
            Err(ClickHouseError::BadDatabaseName(name.to_owned()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_name_is_a_plain_identifier() {
        for good in ["millrace", "_x", "Millrace_2", &"a".repeat(NAME_MAX)] {
            assert_eq!(DatabaseName::new(good).expect(good).as_str(), good);
        }
        for bad in ["", "1a", "a-b", "a.b", "a b", "a`b", "a;drop", "é", &"a".repeat(NAME_MAX + 1)] {
            assert!(DatabaseName::new(bad).is_err(), "{bad}");
        }
    }
}
