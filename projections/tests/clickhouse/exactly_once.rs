//! Every batch takes effect once, whoever writes it and however often.

use crate::{
    database::TestDatabase,
    events::{Generator, batch, together},
    oracle::{assert_purchases, assert_transactions},
};
use bytes::Bytes;
use millrace_runtime::sink::{Sink as _, SinkError};
use millrace_schemas::Topic;

#[tokio::test]
async fn a_batch_written_again_has_no_second_effect() {
    let database = TestDatabase::migrated().await;
    let mut generator = Generator::new(10);
    let (scores, purchases) = (generator.scores(300), generator.purchases(200));
    let sink = database.sink();
    for _ in 0..3 {
        sink.write(&batch(0, 0, &scores)).await.expect("scores");
        sink.write(&batch(1, 0, &purchases)).await.expect("purchases");
    }
    // A process that took over knows nothing of the first one.
    database.sink().write(&batch(0, 0, &scores)).await.expect("scores");
    database.sink().write(&batch(1, 0, &purchases)).await.expect("purchases");
    assert_transactions(&database, &scores).await;
    assert_purchases(&database, &purchases).await;
}

/// The checks above must be able to fail: the same records under a token of their own count twice everywhere.
#[tokio::test]
async fn without_the_token_rows_and_rollups_double() {
    let database = TestDatabase::migrated().await;
    let purchases = Generator::new(11).purchases(50);
    let sink = database.sink();
    let mut first = batch(0, 0, &purchases);
    sink.write(&first).await.expect("first");
    first.epoch = "another".into();
    sink.write(&first).await.expect("second");
    assert_eq!(database.number("SELECT count() FROM {db}.receipts").await, 100);
    assert_eq!(database.number("SELECT sum(purchases + returns + zeros) FROM {db}.place_stats_15m").await, 100);
    assert_eq!(database.number("SELECT sum(purchases + returns + zeros) FROM {db}.tax_tip_stats_15m").await, 100);
}

#[tokio::test]
async fn two_writers_of_different_partitions_do_not_disturb_each_other() {
    let database = TestDatabase::migrated().await;
    let events = Generator::new(12).scores(2_000);
    let (left, right) = events.split_at(1_000);
    let write = async |partition, events: &[_]| {
        let sink = database.sink();
        for (index, part) in events.chunks(100).enumerate() {
            sink.write(&batch(partition, index as i64 * 100, part)).await.expect("batch");
        }
    };
    tokio::join!(write(0, left), write(1, right));
    assert_transactions(&database, &events).await;
    for partition in [0, 1] {
        let position = database.sink().position(Topic::TransactionScores, partition).await.expect("position");
        assert_eq!(position, Some(999));
    }
}

#[tokio::test]
async fn two_writers_of_the_same_batch_take_effect_once() {
    let database = TestDatabase::migrated().await;
    let events = Generator::new(13).purchases(400);
    for part in 0..4 {
        let batch = batch(0, part * 100, &events[part as usize * 100..][..100]);
        let (a, b, c) = (database.sink(), database.sink(), database.sink());
        let (a, b, c) = tokio::join!(a.write(&batch), b.write(&batch), c.write(&batch));
        for written in [a, b, c] {
            written.expect("batch");
        }
    }
    assert_purchases(&database, &events).await;
}

/// After a rebalance each partition may be another process's, and each of those writes the whole batch.
#[tokio::test]
async fn a_batch_of_several_partitions_takes_effect_once_whoever_writes_it() {
    let database = TestDatabase::migrated().await;
    let events = Generator::new(22).purchases(300);
    let parts = || events.chunks(100).zip(0..).map(|(part, number)| batch(number, i64::from(number) * 100, part));
    let (a, b) = (database.sink(), database.sink());
    for _ in 0..2 {
        let all = together(parts());
        let (first, second) = tokio::join!(a.write(&all), b.write(&all));
        first.expect("batch");
        second.expect("batch");
    }
    assert_purchases(&database, &events).await;
    for partition in 0..3 {
        let position = a.position(Topic::Purchases, partition).await.expect("position");
        assert_eq!(position, Some(i64::from(partition) * 100 + 99));
    }
    // Told apart from parts of their own, which nothing wrote.
    let error = database.sink().write(&parts().next().expect("a part")).await.expect_err("rows are doubled");
    assert!(matches!(&error, SinkError::Fatal(reason) if reason.contains("rebuild")), "{error}");
}

#[tokio::test]
async fn a_rollup_that_failed_is_healed_when_the_batch_is_written_again() {
    let database = TestDatabase::migrated().await;
    let purchases = Generator::new(14).purchases(60);
    let batch = batch(0, 0, &purchases);
    database.run("RENAME TABLE {db}.tax_tip_stats_15m_v1 TO {db}.away").await;
    database.sink().write(&batch).await.expect_err("a rollup is missing");
    assert!(database.number("SELECT count() FROM {db}.receipt_items").await > 0, "the first table was written");
    database.run("RENAME TABLE {db}.away TO {db}.tax_tip_stats_15m_v1").await;
    database.sink().write(&batch).await.expect("the same batch");
    assert_purchases(&database, &purchases).await;
}

/// Its rows are in two partitions of each table, so it becomes two parts with one token.
#[tokio::test]
async fn a_batch_over_the_end_of_a_month_takes_effect_once() {
    let database = TestDatabase::migrated().await;
    let purchases = Generator::new(21).purchases(40);
    let mut batch = batch(0, 0, &purchases);
    for record in &mut batch.parts[0].records[25..] {
        record.timestamp += 31 * millrace_schemas::time::DAY_MS;
    }
    for _ in 0..2 {
        database.sink().write(&batch).await.expect("batch");
    }
    assert_purchases(&database, &purchases).await;
    assert_eq!(database.number("SELECT uniqExact(toYYYYMM(_timestamp)) FROM {db}.receipts").await, 2);
}

#[tokio::test]
async fn the_position_is_the_highest_offset_of_the_table_written_last() {
    let database = TestDatabase::migrated().await;
    let (sink, mut generator) = (database.sink(), Generator::new(15));
    for topic in sink.topics() {
        assert_eq!(sink.position(topic, 0).await.expect("position"), None, "{topic}");
    }
    sink.write(&batch(0, 10, &generator.purchases(5))).await.expect("batch");
    sink.write(&batch(3, 7, &generator.purchases(2))).await.expect("batch");
    assert_eq!(sink.position(Topic::Purchases, 0).await.expect("position"), Some(14));
    assert_eq!(sink.position(Topic::Purchases, 3).await.expect("position"), Some(8));
    assert_eq!(sink.position(Topic::TransactionScores, 0).await.expect("position"), None);
    database.run("ALTER TABLE {db}.receipts_v1 DELETE WHERE _offset > 12 SETTINGS mutations_sync = 2").await;
    assert_eq!(sink.position(Topic::Purchases, 0).await.expect("position"), Some(12), "lines alone don't count");
}

/// What a server does that was killed between remembering the token and storing the rows.
#[tokio::test]
async fn a_token_without_its_rows_is_not_believed() {
    let database = TestDatabase::migrated().await;
    let batch = batch(0, 0, &Generator::new(16).purchases(20));
    database.sink().write(&batch).await.expect("batch");
    database.run("ALTER TABLE {db}.receipts_v1 DELETE WHERE 1 SETTINGS mutations_sync = 2").await;
    let error = database.sink().write(&batch).await.expect_err("rows are missing");
    assert!(matches!(&error, SinkError::Fatal(reason) if reason.contains("receipts_v1 has 0 rows")), "{error}");
}

/// What a server does that took more batches since than it remembers tokens.
#[tokio::test]
async fn rows_stored_twice_stop_the_writer() {
    let database = TestDatabase::with(|config| config.deduplication_window = 2);
    database.clickhouse.migrate().await.expect("migrations");
    let (sink, mut generator) = (database.sink(), Generator::new(17));
    let forgotten = batch(0, 0, &generator.purchases(20));
    sink.write(&forgotten).await.expect("batch");
    for first in 0..5 {
        sink.write(&batch(1, first, &generator.purchases(1))).await.expect("batch");
    }
    let error = database.sink().write(&forgotten).await.expect_err("rows are doubled");
    assert!(matches!(&error, SinkError::Fatal(reason) if reason.contains("rebuild")), "{error}");
}

#[tokio::test]
async fn a_record_that_cannot_be_stored_is_named_before_anything_is_written() {
    let database = TestDatabase::migrated().await;
    let (sink, mut events) = (database.sink(), Generator::new(18).scores(5));
    events[3].trn_id = "not-a-uuid".into();
    let error = sink.write(&batch(0, 100, &events)).await.expect_err("poison");
    assert!(matches!(error, SinkError::Poison { offset: 103, code: "bad_uuid", .. }), "{error}");

    let mut undecodable = batch(0, 100, &events[..2]);
    undecodable.parts[0].records[1].value = Some(Bytes::from_static(b"{}"));
    let error = sink.write(&undecodable).await.expect_err("poison");
    assert!(matches!(error, SinkError::Poison { offset: 101, code: "not_wire_format", .. }), "{error}");

    undecodable.parts[0].records[1].value = Some(Bytes::from_static(&[0, 0, 0, 3, 9, 1]));
    let error = sink.write(&undecodable).await.expect_err("unknown schema");
    assert!(matches!(error, SinkError::Transient(_)), "{error}");
    assert_eq!(database.number("SELECT count() FROM {db}.transactions").await, 0);

    undecodable.parts[0].records.remove(1);
    sink.write(&undecodable).await.expect("the batch without it");
    assert_eq!(database.number("SELECT count() FROM {db}.transactions").await, 1);
}

#[tokio::test]
async fn what_a_retry_cannot_change_is_fatal_and_what_it_may_is_not() {
    let database = TestDatabase::migrated().await;
    let events = Generator::new(19).scores(1);
    database.run("DROP TABLE {db}.transactions_v1 SYNC").await;
    let error = database.sink().write(&batch(0, 0, &events)).await.expect_err("no table");
    assert!(matches!(error, SinkError::Fatal(_)), "{error}");

    let nobody = TestDatabase::with(|config| config.url = "http://127.0.0.1:9".into());
    let error = nobody.sink().write(&batch(0, 0, &events)).await.expect_err("no server");
    assert!(matches!(error, SinkError::Transient(_)), "{error}");
}

/// The token belongs to a block, so a batch must not be cut into several, however many rows it has.
#[tokio::test]
async fn a_large_batch_is_one_part_in_every_table() {
    let database = TestDatabase::migrated().await;
    let mut purchase = Generator::new(20).purchase();
    purchase.lines = purchase.lines.iter().cycle().take(10_000).cloned().collect();
    let events: Vec<_> = std::iter::repeat_n(purchase, 110).collect();
    let batch = batch(0, 0, &events);
    database.sink().write(&batch).await.expect("batch");
    database.sink().write(&batch).await.expect("again");
    assert_eq!(database.number("SELECT count() FROM {db}.receipt_items").await, 1_100_000);
    let parts = "SELECT count() FROM system.parts WHERE database = '{db}' AND table = 'receipt_items_v1' AND rows > 0";
    assert_eq!(database.number(parts).await, 1);
    assert_eq!(
        database.number("SELECT sum(purchase_lines + return_lines + zero_lines) FROM {db}.category_stats_15m").await,
        1_100_000
    );
}
