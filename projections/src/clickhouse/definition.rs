//! How a set is made: tables, rollups and the materialized views between them, and the public names of rollups.
//!
//! What is added here is made in every set at the next start. What is changed here is changed in sets that live by a numbered migration:
//! that makes new rows right, and a rebuild the old ones.

use super::{ClickHouse, ClickHouseError, migrate::statements, set::Set};

/// The statements that make a set and its public names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Tables, rollups and materialized views.
    pub set: String,
    /// Public names of rollups, and views over public names.
    pub names: String,
}

macro_rules! files {
    ($($name:literal,)+) => {
        concat!($(include_str!(concat!("../../clickhouse/set/", $name, ".sql")), "\n",)+)
    };
}

impl Definition {
    /// This program's.
    pub fn embedded() -> Self {
        Self {
            set: files![
                "transactions",
                "transaction_rollups",
                "receipts",
                "receipt_rollups",
                "places",
                "matches",
                "labels",
                "audit",
            ]
            .to_owned(),
            names: concat!(
                include_str!("../../clickhouse/names.sql"),
                "\n",
                include_str!("../../clickhouse/grading.sql"),
                "\n",
                include_str!("../../clickhouse/analytics.sql"),
                "\n",
                include_str!("../../clickhouse/matching.sql"),
                "\n",
                include_str!("../../clickhouse/places.sql")
            )
            .to_owned(),
        }
    }

    /// Tells one definition from another; public names are no part of a set.
    pub fn hash(&self) -> String {
        blake3::hash(self.set.as_bytes()).to_hex().to_string()
    }

    pub(super) fn statements(&self) -> Vec<String> {
        statements(&self.set)
    }
}

impl ClickHouse {
    /// Makes what is missing of a set.
    ///
    /// # Errors
    /// When the server does not answer or refuses a statement.
    pub async fn make_set(&self, definition: &Definition, set: Set) -> Result<(), ClickHouseError> {
        for sql in definition.statements() {
            self.execute(&self.ddl.fill_in(&sql, set)).await?;
        }
        Ok(())
    }

    /// Drops everything of a set, feeds first. Nobody may write into it any more.
    pub(super) async fn drop_set(&self, set: Set) -> Result<(), ClickHouseError> {
        let sql = "SELECT name FROM system.tables WHERE database = ? AND endsWith(name, ?) ORDER BY engine != 'MaterializedView', name";
        let query = self.query(sql).bind(self.database().as_str()).bind(format!("_{set}"));
        for name in self.deadline(query.fetch_all::<String>()).await? {
            self.execute(&format!("DROP TABLE IF EXISTS {}.{name} SYNC", self.database())).await?;
        }
        Ok(())
    }
}
