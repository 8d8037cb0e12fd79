//! Sets: made anew they are what migrations make, and each is filled for itself.

use crate::{
    database::TestDatabase,
    events::{Generator, batch},
    oracle::{assert_purchases, assert_transactions},
};
use clickhouse::Row;
use millrace_projections::clickhouse::{definition::Definition, migrate::Migration, set::Set};
use millrace_runtime::sink::Sink as _;
use serde::Deserialize;

#[derive(Debug, Row, Deserialize, PartialEq, Eq)]
struct Table {
    name: String,
    statement: String,
}

/// Statements of a set's tables and feeds, without its name.
async fn statements(database: &TestDatabase, set: &str) -> Vec<Table> {
    let sql = "SELECT replaceAll(t.name, ?, '') AS name, replaceAll(t.create_table_query, ?, '') AS statement \
               FROM system.tables AS t WHERE t.database = ? AND endsWith(t.name, ?) ORDER BY t.name";
    let query = database.clickhouse.query(sql).bind(set).bind(set);
    query.bind(database.clickhouse.database().as_str()).bind(set).fetch_all().await.expect("statements")
}

#[tokio::test]
async fn a_set_made_anew_is_what_migrations_make() {
    let database = TestDatabase::migrated().await;
    database.clickhouse.make_set(&Definition::embedded(), Set::new(2)).await.expect("a set");
    let (migrated, anew) = (statements(&database, "_v1").await, statements(&database, "_v2").await);
    for (migrated, anew) in migrated.iter().zip(&anew) {
        assert_eq!(migrated, anew);
    }
    assert_eq!((migrated.len(), anew.len()), (17, 17));
}

#[tokio::test]
async fn each_set_is_filled_for_itself() {
    let database = TestDatabase::migrated().await;
    database.clickhouse.make_set(&Definition::embedded(), Set::new(2)).await.expect("a set");
    let mut generator = Generator::new(60);
    let (scores, purchases) = (generator.scores(40), generator.purchases(40));
    database.sink().write(&batch(0, 0, &scores)).await.expect("scores");
    database.sink_of(Set::new(2)).write(&batch(0, 0, &scores)).await.expect("scores");
    database.sink_of(Set::new(2)).write(&batch(0, 0, &purchases)).await.expect("purchases");
    assert_transactions(&database, &scores).await;
    assert_purchases(&database, &[]).await;
    let counts = database.clickhouse.counts().await.expect("counts");
    assert_eq!((counts["transactions"], counts["receipts"]), (40, 0));
    assert_eq!(database.number("SELECT count() FROM {db}.receipts_v2").await, 40);
}

#[tokio::test]
async fn a_migration_of_sets_changes_every_one_of_them() {
    let database = TestDatabase::migrated().await;
    database.clickhouse.make_set(&Definition::embedded(), Set::new(7)).await.expect("a set");
    let mut more = Migration::embedded();
    let number = more.len() as u32 + 1;
    let sql = "ALTER TABLE {{database}}.receipts_{{set}} ADD COLUMN IF NOT EXISTS till String COMMENT 'Till.';\n";
    more.push(Migration { number, name: format!("{number:04}_till"), sql: sql.into() });
    database.clickhouse.migrate_to(&more).await.expect("one more");
    let with_till = "SELECT count() FROM system.columns WHERE database = '{db}' AND name = 'till'";
    assert_eq!(database.number(with_till).await, 3, "both sets, and the public name");
}
