//! Sets: each has everything that is defined, and is filled for itself.

use crate::{
    database::TestDatabase,
    events::{Generator, batch},
    oracle::{assert_purchases, assert_transactions},
};
use millrace_projections::clickhouse::{definition::Definition, migrate::Migration, set::Set};
use millrace_runtime::sink::Sink as _;

#[tokio::test]
async fn what_a_set_lacks_of_the_definition_is_made_at_the_next_start() {
    let database = TestDatabase::migrated().await;
    database.clickhouse.make_set(&Definition::embedded(), Set::new(2)).await.expect("a set");
    let tables = "SELECT countIf(endsWith(name, '_v1')) * 100 + countIf(endsWith(name, '_v2')) \
                  FROM system.tables WHERE database = '{db}'";
    assert_eq!(database.number(tables).await, 23 * 100 + 23);
    database.run("DROP TABLE {db}.customer_stats_1d_feed_v1 SYNC").await;
    database.run("DROP TABLE {db}.customer_stats_1d_v1 SYNC").await;
    database.run("DROP TABLE {db}.requests_v2 SYNC").await;
    assert_eq!(database.number(tables).await, 21 * 100 + 22);
    assert_eq!(database.clickhouse.migrate().await.expect("the next start"), Vec::<String>::new());
    assert_eq!(database.number(tables).await, 23 * 100 + 23);
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
