//! The schema: made once, described, refused when it does not fit.

use crate::database::TestDatabase;
use clickhouse::Row;
use millrace_projections::clickhouse::migrate::{MigrateError, Migration};
use serde::Deserialize;

#[derive(Debug, Row, Deserialize)]
struct Column {
    table: String,
    name: String,
    comment: String,
}

#[tokio::test]
async fn migrations_are_applied_once() {
    let database = TestDatabase::empty();
    let all: Vec<String> = Migration::embedded().into_iter().map(|migration| migration.name).collect();
    assert_eq!(database.clickhouse.migrate().await.expect("first"), all);
    let tables = "SELECT sum(cityHash64(name, create_table_query)) FROM system.tables WHERE database = '{db}'";
    let before = database.number(tables).await;
    assert_eq!(database.clickhouse.migrate().await.expect("second"), Vec::<String>::new());
    assert_eq!(database.number(tables).await, before);
    assert_eq!(database.number("SELECT count() FROM {db}.schema_migrations").await, all.len() as u64);
}

#[tokio::test]
async fn several_starts_at_once_do_the_same() {
    let database = TestDatabase::empty();
    let (a, b, c) = (database.another_client(), database.another_client(), database.another_client());
    let (a, b, c) = tokio::join!(a.migrate(), b.migrate(), c.migrate());
    for result in [a, b, c] {
        result.expect("migrations");
    }
    assert!(database.clickhouse.migrate().await.expect("again").is_empty());
    let applied = database.number("SELECT uniqExact(number) FROM {db}.schema_migrations").await;
    assert_eq!(applied, Migration::embedded().len() as u64);
}

#[tokio::test]
async fn a_start_that_was_interrupted_goes_on() {
    let database = TestDatabase::empty();
    let next = |of_type: &str| {
        let mut migrations = Migration::embedded();
        let number = migrations.len() as u32 + 1;
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {{{{database}}}}.before (a Int8) ENGINE = {{{{merge_tree}}}} ORDER BY a;\n\
             CREATE TABLE IF NOT EXISTS {{{{database}}}}.odd (a {of_type}) ENGINE = {{{{merge_tree}}}} ORDER BY a;\n"
        );
        migrations.push(Migration { number, name: format!("{number:04}_odd"), sql });
        migrations
    };
    let error = database.clickhouse.migrate_to(&next("Nonsense")).await.expect_err("a bad statement").to_string();
    assert!(error.contains("_odd, statement 2") && error.contains("Nonsense"), "{error}");
    let rest = database.clickhouse.migrate_to(&next("Int8")).await.expect("the rest");
    assert_eq!(rest.len(), 1, "what was applied is not applied again: {rest:?}");
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let database = TestDatabase::migrated().await;
    let mut changed = Migration::embedded();
    changed[0].sql.push_str("-- one more comment\n");
    let error = database.clickhouse.migrate_to(&changed).await.expect_err("changed");
    assert!(matches!(&error, MigrateError::Changed(label) if label.contains(&changed[0].name)), "{error}");
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let database = TestDatabase::migrated().await;
    let mut older = Migration::embedded();
    let newest = older.pop().expect("some");
    let error = database.clickhouse.migrate_to(&older).await.expect_err("newer");
    assert!(matches!(&error, MigrateError::Unknown(label) if label.contains(&newest.name)), "{error}");
}

#[tokio::test]
async fn every_column_and_table_says_what_it_means() {
    let database = TestDatabase::migrated().await;
    let feeds = "SELECT name FROM system.tables WHERE database = ? AND engine = 'MaterializedView'";
    let sql = format!(
        "SELECT table, name, comment FROM system.columns WHERE database = ? AND table NOT IN ({feeds}) ORDER BY table, position"
    );
    let name = database.clickhouse.database().as_str();
    let columns: Vec<Column> =
        database.clickhouse.query(&sql).bind(name).bind(name).fetch_all().await.expect("columns");
    assert!(columns.len() > 300, "{} columns", columns.len());
    let silent: Vec<&Column> = columns.iter().filter(|column| column.comment.is_empty()).collect();
    assert!(silent.is_empty(), "{silent:?}");
    let money = ["amount", "_total", "_nds", "_tips", "price", "items_difference", "mean_receipt"];
    for column in columns.iter().filter(|column| money.iter().any(|word| column.name.ends_with(word))) {
        let says_unit = ["units of", "of purchase_total", "of return_total"].iter().any(|w| column.comment.contains(w));
        assert!(says_unit, "{}.{}: {}", column.table, column.name, column.comment);
    }
    let stored = "SELECT count() FROM system.tables WHERE database = '{db}' AND endsWith(name, '_v1') \
                  AND engine != 'MaterializedView' AND comment = ''";
    assert_eq!(database.number(stored).await, 0);
}

#[tokio::test]
async fn every_table_and_rollup_remembers_tokens() {
    let database = TestDatabase::migrated().await;
    let tables = "SELECT count() FROM system.tables WHERE database = '{db}' AND endsWith(name, '_v1') AND engine LIKE '%MergeTree'";
    let all = database.number(tables).await;
    let remembering = format!("{tables} AND engine_full LIKE '%non_replicated_deduplication_window = 50000%'");
    assert_eq!((all, database.number(&remembering).await), (16, 16));
}

#[tokio::test]
async fn public_names_show_what_the_tables_hold() {
    let database = TestDatabase::migrated().await;
    let differing = "SELECT count() FROM (\
        SELECT concat(table, '_v1') AS stored, name, type, comment FROM system.columns WHERE database = '{db}' \
            AND table IN (SELECT name FROM system.tables WHERE database = '{db}' AND engine = 'View') \
            AND stored IN (SELECT name FROM system.tables WHERE database = '{db}') \
            AND table NOT LIKE '%stats%') AS v \
        LEFT ANTI JOIN (SELECT * FROM system.columns WHERE database = '{db}') AS t \
        ON v.stored = t.table AND v.name = t.name AND v.type = t.type AND v.comment = t.comment";
    assert_eq!(database.number(differing).await, 0);
    database
        .run("ALTER TABLE {db}.receipts_v1 ADD COLUMN till Nullable(String) COMMENT 'Till.' AFTER place_name")
        .await;
    database.clickhouse.migrate().await.expect("views follow");
    let shown = "SELECT count() FROM system.columns WHERE database = '{db}' AND table = 'receipts' AND name = 'till' AND comment = 'Till.'";
    assert_eq!(database.number(shown).await, 1);
}

#[tokio::test]
async fn the_server_says_its_version() {
    let version = TestDatabase::empty().clickhouse.version().await.expect("version");
    assert!(version.split('.').count() >= 3, "{version}");
}

#[tokio::test]
async fn a_rollup_gets_names_into_its_key_while_it_lives() {
    let database = TestDatabase::migrated().await;
    for sql in [
        "DROP VIEW {db}.place_stats_15m_feed_v1",
        "DROP TABLE {db}.place_stats_15m_v1 SYNC",
        "CREATE TABLE {db}.place_stats_15m_v1 (bucket DateTime('UTC'), place_id String, currency LowCardinality(String), \
         latest_name SimpleAggregateFunction(max, Tuple(Int64, String)), purchases SimpleAggregateFunction(sum, UInt64)) \
         ENGINE = AggregatingMergeTree ORDER BY (toDate(bucket), place_id, currency, bucket)",
        "ALTER TABLE {db}.place_stats_15m_v1 \
         ADD COLUMN purchase_total SimpleAggregateFunction(sum, Decimal(38, 4)), \
         ADD COLUMN purchase_nds SimpleAggregateFunction(sum, Decimal(38, 4)), \
         ADD COLUMN purchase_tips SimpleAggregateFunction(sum, Decimal(38, 4)), \
         ADD COLUMN returns SimpleAggregateFunction(sum, UInt64), \
         ADD COLUMN return_total SimpleAggregateFunction(sum, Decimal(38, 4)), \
         ADD COLUMN return_nds SimpleAggregateFunction(sum, Decimal(38, 4)), \
         ADD COLUMN return_tips SimpleAggregateFunction(sum, Decimal(38, 4)), \
         ADD COLUMN zeros SimpleAggregateFunction(sum, UInt64), \
         ADD COLUMN zero_tips SimpleAggregateFunction(sum, Decimal(38, 4))",
        "CREATE MATERIALIZED VIEW {db}.place_stats_15m_feed_v1 TO {db}.place_stats_15m_v1 AS SELECT \
         toStartOfFifteenMinutes(r.occurred_at) AS bucket, r.place_id AS place_id, r.currency AS currency, \
         max((r._offset, toString(r.place_name))) AS latest_name, countIf(r.kind = 'purchase') AS purchases \
         FROM {db}.receipts_v1 AS r GROUP BY bucket, place_id, currency",
    ] {
        database.run(sql).await;
    }
    let receipt = |name: &str, offset: u32| {
        format!(
            "INSERT INTO {{db}}.receipts_v1 (place_id, place_name, kind, currency, total_amount, occurred_at, _topic, _offset) \
             VALUES ('p', '{name}', 'purchase', 'EUR', 1, '2026-03-01 12:00:00', 'purchases', {offset})"
        )
    };
    database.run(&receipt("Old", 1)).await;
    // The second time as after a start that was interrupted.
    for _ in 0..2 {
        database.run("ALTER TABLE {db}.schema_migrations DELETE WHERE number = 3 SETTINGS mutations_sync = 2").await;
        assert_eq!(database.clickhouse.migrate().await.expect("migrated"), ["0003_names_in_the_key"]);
    }
    database.run(&receipt("New", 2)).await;
    database.run(&receipt("Newer", 3)).await;
    let name = database.clickhouse.database();
    let key =
        format!("SELECT sorting_key FROM system.tables WHERE database = '{name}' AND name = 'place_stats_15m_v1'");
    let key: String = database.clickhouse.query(&key).fetch_one().await.expect("a key");
    assert_eq!(key, "toDate(bucket), place_id, currency, bucket, place_name");
    let rows = format!("SELECT place_name, purchases, toString(purchase_total) FROM {name}.place_stats_15m");
    let rows: Vec<(String, u64, String)> = database.clickhouse.query(&rows).fetch_all().await.expect("rows");
    assert_eq!(rows, [("Newer".into(), 3, "2".into())], "rows from before had no totals");
    database.run("ALTER TABLE {db}.place_stats_15m_v1 DELETE WHERE last_offset > 1 SETTINGS mutations_sync = 2").await;
    let old = format!("SELECT place_name, purchases FROM {name}.place_stats_15m");
    let old: Vec<(String, u64)> = database.clickhouse.query(&old).fetch_all().await.expect("rows");
    assert_eq!(old, [("Old".into(), 1)], "rows from before keep their names");
}
