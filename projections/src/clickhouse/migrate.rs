//! Brings a database's schema up to date: numbered changes of what there is, applied in order and remembered, and then whatever the
//! definition has and a set lacks. So a new table needs a statement in the definition only; one that changes, a numbered change besides.
//!
//! ClickHouse has neither transactions over schema changes nor locks that a client could take. So every statement is one that
//! may run again (`IF NOT EXISTS`), and a migration is remembered after its last statement: a start that was interrupted goes
//! on where it was, and several starts at the same time do the same thing.

use super::{ClickHouse, ClickHouseError, definition::Definition, set::Set, views};
use clickhouse::Row;
use serde::Deserialize;

/// A schema change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its place in the order, from 1.
    pub number: u32,
    /// Its file's name without `.sql`.
    pub name: String,
    /// Its statements, with `{{...}}` for what differs between deployments.
    pub sql: String,
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A statement did not work.
    #[error("migration {migration}, statement {statement} ({begins}): {cause}")]
    Statement {
        /// The migration's name.
        migration: String,
        /// Which of its statements, from 1.
        statement: usize,
        /// How it begins.
        begins: String,
        /// What is wrong.
        cause: ClickHouseError,
    },
    /// A migration that is applied has other content now.
    #[error("migration {0} was changed after it was applied; restore its file and put the change into a new migration")]
    Changed(String),
    /// The database is newer than this program.
    #[error(
        "the database has migration {0}, which this program does not know; run the program that made it, or a newer one"
    )]
    Unknown(String),
    /// The record of migrations, or the views, could not be read or written.
    #[error(transparent)]
    ClickHouse(#[from] ClickHouseError),
}

/// A migration that the database remembers.
#[derive(Debug, Row, Deserialize)]
struct Applied {
    number: u32,
    name: String,
    checksum: String,
}

macro_rules! migrations {
    ($($name:literal,)+) => {
        &[$(($name, include_str!(concat!("../../clickhouse/migrations/", $name, ".sql"))),)+]
    };
}

/// The table that remembers migrations. Starts at the same time may write the same row.
const RECORD: &str = "CREATE TABLE IF NOT EXISTS {{database}}.schema_migrations
(
    number UInt32 COMMENT 'Place in the order, from 1.',
    name String COMMENT 'Name of the file.',
    checksum String COMMENT 'BLAKE3 of the file.',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When it was applied. UTC, milliseconds.'
)
ENGINE = {{replacing_merge_tree}}
ORDER BY (number, name, checksum)
COMMENT 'Schema changes that this database has.'";

const EMBEDDED: &[(&str, &str)] = migrations!["0001_sets", "0002_returns_and_rates", "0003_names_in_the_key",];

impl Migration {
    /// This program's migrations, in order.
    pub fn embedded() -> Vec<Self> {
        let migration =
            |(number, (name, sql)): (u32, &(&str, &str))| Self { number, name: (*name).into(), sql: (*sql).into() };
        (1..).zip(EMBEDDED).map(migration).collect()
    }

    fn checksum(&self) -> String {
        blake3::hash(self.sql.as_bytes()).to_hex().to_string()
    }

    fn statements(&self) -> Vec<String> {
        statements(&self.sql)
    }
}

/// The statements of a file. A statement ends with a line that ends in `;`, and lines that begin with `--` are not part of any.
pub(super) fn statements(sql: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    for line in sql.lines().filter(|line| !line.starts_with("--")) {
        let current = statements.last_mut().expect("there is always one");
        current.push_str(line);
        current.push('\n');
        if line.trim_end().ends_with(';') {
            current.truncate(current.trim_end().len() - 1);
            statements.push(String::new());
        }
    }
    statements.iter().map(|statement| statement.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

impl ClickHouse {
    /// Brings the database's schema up to date, and makes it when there is none; gives the names of the migrations that were applied.
    ///
    /// # Errors
    /// When a statement fails, when an applied migration was changed, and when the database is newer than this program.
    pub async fn migrate(&self) -> Result<Vec<String>, MigrateError> {
        self.migrate_to(&Migration::embedded()).await
    }

    /// The same with a given list of migrations.
    ///
    /// # Errors
    /// As [`migrate`](Self::migrate).
    pub async fn migrate_to(&self, migrations: &[Migration]) -> Result<Vec<String>, MigrateError> {
        self.make_record().await?;
        let applied = self.applied().await?;
        check(&applied, migrations)?;
        let mut done = Vec::new();
        for migration in migrations.iter().filter(|m| !applied.iter().any(|a| a.number == m.number)) {
            self.apply(migration).await?;
            done.push(migration.name.clone());
        }
        let (definition, live) = (Definition::embedded(), self.live().await?);
        for set in self.sets().await?.into_iter().chain([live]) {
            self.make_set(&definition, set).await?;
        }
        views::publish(self, &definition, live, !done.is_empty()).await?;
        Ok(done)
    }

    /// The database and the table that remembers migrations.
    async fn make_record(&self) -> Result<(), ClickHouseError> {
        self.execute(&self.ddl.create_database()).await?;
        self.execute(&self.ddl.fill_in(RECORD, Set::FIRST)).await
    }

    async fn applied(&self) -> Result<Vec<Applied>, ClickHouseError> {
        let sql = format!(
            "SELECT DISTINCT number, name, checksum FROM {}.schema_migrations ORDER BY number",
            self.database()
        );
        self.deadline(self.query(&sql).fetch_all()).await
    }

    async fn apply(&self, migration: &Migration) -> Result<(), MigrateError> {
        for (statement, sql) in (1..).zip(migration.statements()) {
            // A statement about sets is one about every set there is; in a new database there is none yet.
            let sets = if sql.contains("{{set}}") { self.sets().await? } else { [Set::FIRST].into() };
            for set in sets {
                self.execute(&self.ddl.fill_in(&sql, set)).await.map_err(|cause| MigrateError::Statement {
                    migration: migration.name.clone(),
                    statement,
                    begins: sql.lines().next().unwrap_or_default().to_owned(),
                    cause,
                })?;
            }
        }
        let insert = format!(
            "INSERT INTO {}.schema_migrations (number, name, checksum) SETTINGS async_insert = 0 VALUES (?, ?, ?)",
            self.database()
        );
        let insert = self.query(&insert).bind(migration.number).bind(&migration.name).bind(migration.checksum());
        self.deadline(insert.execute()).await?;
        tracing::info!(migration = migration.name, database = self.database().as_str(), "applied");
        Ok(())
    }
}

fn check(applied: &[Applied], migrations: &[Migration]) -> Result<(), MigrateError> {
    for applied in applied {
        let label = || format!("{} ({})", applied.number, applied.name);
        match migrations.iter().find(|migration| migration.number == applied.number) {
            None => return Err(MigrateError::Unknown(label())),
            Some(migration) if migration.name != applied.name || migration.checksum() != applied.checksum => {
                return Err(MigrateError::Changed(label()));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migration(sql: &str) -> Migration {
        Migration { number: 1, name: "0001_test".into(), sql: sql.into() }
    }

    #[test]
    fn a_statement_ends_with_its_line() {
        let sql = "-- why; and how\nCREATE TABLE a\n(\n    x Int8 COMMENT 'a; b'\n);\n\n-- next\nSELECT 1;\nSELECT 2\n";
        let statements = migration(sql).statements();
        assert_eq!(statements, ["CREATE TABLE a\n(\n    x Int8 COMMENT 'a; b'\n)", "SELECT 1", "SELECT 2"]);
    }

    #[test]
    fn every_file_is_embedded_under_its_number() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/clickhouse/migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("folder")
            .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let embedded: Vec<String> = Migration::embedded().iter().map(|m| format!("{}.sql", m.name)).collect();
        assert_eq!(embedded, files);
        for migration in Migration::embedded() {
            assert!(migration.name.starts_with(&format!("{:04}_", migration.number)), "{}", migration.name);
        }
    }

    #[test]
    fn every_statement_may_run_again() {
        let migrations = Migration::embedded().iter().flat_map(Migration::statements).collect::<Vec<_>>();
        for statement in migrations.into_iter().chain(Definition::embedded().statements()) {
            let mut lines = statement.lines();
            let first = lines.next().unwrap_or_default();
            // What says how a key or a query is to be says the same again, and what is greatest is not greater when it comes again.
            let repeats = [
                "IF NOT EXISTS",
                "IF EXISTS",
                "OR REPLACE",
                "MODIFY ORDER BY",
                "MODIFY QUERY",
                "last_offset) SETTINGS",
            ];
            let repeatable = |line: &str| repeats.iter().any(|words| line.contains(words));
            // What several columns are added by stands in the lines below.
            let is_alter = first.starts_with("ALTER TABLE") && lines.next().is_some();
            assert!(repeatable(first) || is_alter && statement.lines().skip(1).all(repeatable), "{first}");
            assert!(!statement.contains("ENGINE = Merge"), "engines are filled in: {first}");
        }
    }

    #[test]
    fn a_database_that_does_not_fit_is_refused() {
        let known = [migration("SELECT 1;")];
        let applied = |number, checksum: String| vec![Applied { number, name: "0001_test".into(), checksum }];
        assert!(check(&applied(1, known[0].checksum()), &known).is_ok());
        assert!(matches!(check(&applied(1, "other".into()), &known), Err(MigrateError::Changed(_))));
        assert!(matches!(check(&applied(2, known[0].checksum()), &known), Err(MigrateError::Unknown(_))));
    }
}
