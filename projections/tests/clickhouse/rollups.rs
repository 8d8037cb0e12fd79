//! Rollups against figures computed from the events.

use crate::{
    database::TestDatabase,
    events::{Generator, batch},
    oracle::{assert_purchases, assert_transactions},
};
use millrace_runtime::sink::Sink as _;

#[tokio::test]
async fn rollups_of_transactions_equal_the_sums_of_the_events() {
    let database = TestDatabase::migrated().await;
    let (sink, events) = (database.sink(), Generator::new(1).scores(1_500));
    for (index, part) in events.chunks(400).enumerate() {
        sink.write(&batch(0, index as i64 * 400, part)).await.expect("batch");
        assert_transactions(&database, &events[..index * 400 + part.len()]).await;
    }
    merge(&database, &["transaction_stats_1m", "customer_stats_1d"]).await;
    assert_transactions(&database, &events).await;
}

#[tokio::test]
async fn rollups_of_receipts_equal_the_sums_of_the_events() {
    let database = TestDatabase::migrated().await;
    let (sink, events) = (database.sink(), Generator::new(2).purchases(900));
    for (index, part) in events.chunks(250).enumerate() {
        sink.write(&batch(0, index as i64 * 250, part)).await.expect("batch");
        assert_purchases(&database, &events[..index * 250 + part.len()]).await;
    }
    merge(&database, &["place_stats_15m", "tax_tip_stats_15m", "category_stats_15m", "nds_rate_stats_15m"]).await;
    assert_purchases(&database, &events).await;
}

#[tokio::test]
async fn halves_in_means_go_to_the_even_digit() {
    let database = TestDatabase::migrated().await;
    let mut events = Generator::new(3).scores(8);
    // Pairs with the means 0.00005, 0.00015, 0.00025 and 1.00005.
    for (index, (event, amount)) in events.iter_mut().zip([0, 1, 1, 2, 2, 3, 10_000, 10_001]).enumerate() {
        event.transaction.amount = amount;
        event.transaction.currency = "EUR".into();
        event.occurred_at = crate::events::START + (index as i64 / 2) * 60_000;
    }
    database.sink().write(&batch(0, 0, &events)).await.expect("batch");
    assert_transactions(&database, &events).await;
    let sql =
        format!("SELECT mean_amount FROM {}.transaction_stats_1m ORDER BY bucket", database.clickhouse.database());
    let means: Vec<i128> = database.clickhouse.query(&sql).fetch_all().await.expect("means");
    assert_eq!(means, [0, 2, 2, 10_000]);
}

/// Merging must not change a figure.
async fn merge(database: &TestDatabase, rollups: &[&str]) {
    for rollup in rollups {
        database.run(&format!("OPTIMIZE TABLE {{db}}.{rollup}_v1 FINAL")).await;
        let parts =
            format!("SELECT count() FROM system.parts WHERE database = '{{db}}' AND table = '{rollup}_v1' AND active");
        assert_eq!(database.number(&parts).await, 1, "{rollup}");
    }
}
