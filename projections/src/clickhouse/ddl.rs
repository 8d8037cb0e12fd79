//! What stands for `{{...}}` in statements: the only place that knows how a replicated deployment differs from one server.
//!
//! The statements for replicated tables are checked as texts only: the engine that tests run on has no Keeper. A server with one runs
//! the same statements with these words in them.

use super::{ClickHouseConfig, DatabaseName, set::Set};

/// Words that several views have in common. They are SQL of their own files and may hold other placeholders.
const FRAGMENTS: [(&str, &str); 2] = [
    ("{{mean_of}}", include_str!("../../clickhouse/fragments/mean_of.sql")),
    ("{{start_local}}", include_str!("../../clickhouse/fragments/start_local.sql")),
];

/// What stands for `{{by_interval}}(rows)`: rows of a period, each with the start of the interval that its bucket belongs to.
const BY_INTERVAL: &str = include_str!("../../clickhouse/fragments/by_interval.sql");

/// How statements are filled in.
#[derive(Debug, Clone)]
pub(super) struct Ddl {
    database: DatabaseName,
    replicated: bool,
    window: u64,
    window_seconds: u64,
}

impl Ddl {
    pub(super) fn new(config: &ClickHouseConfig, database: DatabaseName) -> Self {
        Self {
            database,
            replicated: config.replicated,
            window: config.deduplication_window,
            window_seconds: config.deduplication_window_seconds,
        }
    }

    /// Makes the database. That of replicated tables hands each statement to all replicas.
    pub(super) fn create_database(&self) -> String {
        let engine = if self.replicated {
            format!(" ENGINE = Replicated('/clickhouse/databases/{}', '{{shard}}', '{{replica}}')", self.database)
        } else {
            String::new()
        };
        format!("CREATE DATABASE IF NOT EXISTS {}{engine}", self.database)
    }

    /// A statement as this deployment runs it, for a set where it is about one.
    pub(super) fn fill_in(&self, sql: &str, set: Set) -> String {
        let prefix = if self.replicated { "Replicated" } else { "" };
        let engine = |name: &str| format!("{prefix}{name}");
        let sql = FRAGMENTS.iter().fold(sql.to_owned(), |sql, (name, words)| sql.replace(name, words.trim_end()));
        let sql = by_interval(&sql);
        [
            ("{{merge_tree}}", engine("MergeTree")),
            ("{{aggregating_merge_tree}}", engine("AggregatingMergeTree")),
            ("{{replacing_merge_tree}}", engine("ReplacingMergeTree")),
            ("{{deduplication}}", self.deduplication()),
            ("{{database}}", self.database.to_string()),
            ("{{set}}", set.to_string()),
        ]
        .iter()
        .fold(sql, |sql, (placeholder, words)| sql.replace(placeholder, words))
    }

    /// How a table is told how many tokens to remember. A replicated one forgets them by number and by time, whichever comes first.
    fn deduplication(&self) -> String {
        let Self { window, window_seconds, .. } = self;
        if self.replicated {
            format!(
                "replicated_deduplication_window = {window}, replicated_deduplication_window_seconds = {window_seconds}"
            )
        } else {
            format!("non_replicated_deduplication_window = {window}")
        }
    }
}

fn by_interval(sql: &str) -> String {
    let mut pieces = sql.split("{{by_interval}}(");
    let begin = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(begin, |sql, piece| {
        let (rows, rest) = piece.split_once(')').unwrap_or((piece, ""));
        sql + BY_INTERVAL.trim_end().replace("{{rows}}", rows).as_str() + rest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str =
        "CREATE TABLE {{database}}.t_{{set}} (a Int8) ENGINE = {{merge_tree}} ORDER BY a SETTINGS {{deduplication}}";

    fn ddl(replicated: bool) -> Ddl {
        let config = ClickHouseConfig { replicated, ..ClickHouseConfig::default() };
        Ddl::new(&config, DatabaseName::new("d").expect("a name"))
    }

    #[test]
    fn one_server_has_plain_tables() {
        let one = ddl(false);
        assert_eq!(one.create_database(), "CREATE DATABASE IF NOT EXISTS d");
        assert_eq!(
            one.fill_in(SQL, Set::new(3)),
            "CREATE TABLE d.t_v3 (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 50000"
        );
    }

    #[test]
    fn replicas_share_their_tables_and_their_tokens() {
        let many = ddl(true);
        let database =
            "CREATE DATABASE IF NOT EXISTS d ENGINE = Replicated('/clickhouse/databases/d', '{shard}', '{replica}')";
        assert_eq!(many.create_database(), database);
        assert_eq!(
            many.fill_in(SQL, Set::FIRST),
            "CREATE TABLE d.t_v1 (a Int8) ENGINE = ReplicatedMergeTree ORDER BY a \
             SETTINGS replicated_deduplication_window = 50000, replicated_deduplication_window_seconds = 604800"
        );
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        for sql in crate::clickhouse::definition::Definition::embedded().statements() {
            for replicated in [false, true] {
                let filled = ddl(replicated).fill_in(&sql, Set::FIRST);
                assert!(!filled.contains("{{") && !filled.contains("ENGINE = Merge") || !replicated, "{filled}");
                assert!(!filled.contains("{{"), "{filled}");
            }
        }
    }
}
