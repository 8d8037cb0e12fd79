//! Settled receipts: in their table as they were told, found by every id, and those whose transaction is another place's.

use crate::{
    database::TestDatabase,
    events::{Generator, batch},
};
use millrace_runtime::sink::Sink as _;
use millrace_schemas::event::{MatchOutcome, MatchReason, ReceiptMatch};
use serde_json::{Value as Json, json};

fn examples() -> Vec<ReceiptMatch> {
    let text = include_str!("../../../schemas/avro/receipt-matches/v1.example.json");
    serde_json::from_str(text).expect("examples")
}

async fn rows(database: &TestDatabase, sql: &str) -> Vec<Json> {
    let sql = sql.replace("{db}", database.clickhouse.database().as_str());
    let sql = format!("SELECT formatRowNoNewline('JSONEachRow', *) FROM ({sql})");
    let rows: Vec<String> = database.clickhouse.query(&sql).fetch_all().await.expect("rows");
    rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect()
}

#[tokio::test]
async fn a_settled_receipt_is_read_back_as_it_was() {
    let database = TestDatabase::migrated().await;
    let matches = examples();
    database.sink().write(&batch(2, 5, &matches)).await.expect("batch");
    let sql = "SELECT toString(trn_id) AS trn_id, outcome, reason, toString(amount) AS amount, toString(tips_amount) AS tips, currency, \
               payment_transaction_id, toString(paid_by_trn_id) AS paid_by, paid_by_customer_id, paid_by_transaction_id, \
               toString(toUnixTimestamp64Milli(paid_by_occurred_at)) AS paid_at, toString(paid_by_amount) AS paid, paid_by_currency, \
               toString(time_distance_ms) AS distance, differences, toString(toUnixTimestamp64Milli(settled_at)) AS settled_at, \
               source_partition, toString(source_offset) AS source_offset, toString(_offset) AS offset \
               FROM {db}.receipt_matches ORDER BY _offset";
    let expected = (5..).zip(&matches).map(|(offset, it)| {
        let by = it.transaction.as_ref();
        let money = |value: i64| format!("{}.{:02}", value / 10_000, value % 10_000 / 100);
        json!({
            "trn_id": it.receipt.trn_id, "outcome": it.outcome.name(), "reason": it.reason.name(),
            "amount": "27.47", "tips": "3", "currency": "EUR", "payment_transaction_id": "txn-1",
            "paid_by": by.map(|by| &by.trn_id), "paid_by_customer_id": by.map(|_| "customer-1"),
            "paid_by_transaction_id": by.map(|_| "txn-1"), "paid_at": by.map(|by| by.occurred_at.to_string()),
            "paid": by.map(|by| money(by.amount)), "paid_by_currency": by.map(|_| "EUR"),
            "distance": by.map(|_| "1000"),
            "differences": it.differences.iter().map(|it| json!(it)).collect::<Vec<_>>(),
            "settled_at": it.settled_at.to_string(), "source_partition": 2, "source_offset": "40",
            "offset": offset.to_string(),
        })
    });
    assert_eq!(rows(&database, sql).await, expected.collect::<Vec<_>>());

    for id in [&matches[0].receipt.trn_id, "receipt-1"] {
        let found = database.clickhouse.find(id).await.expect("a lookup");
        let told: Vec<_> = found.iter().map(|row| (row.table.as_str(), row.outcome.as_str(), row.offset)).collect();
        let all = [("matched", 5), ("mismatch", 6), ("orphan", 7)];
        assert_eq!(told, all.map(|(outcome, offset)| ("receipt_matches", outcome, offset)), "{id}");
    }
    let by = matches[0].transaction.as_ref().expect("a transaction");
    assert_eq!(database.clickhouse.find(&by.trn_id).await.expect("a lookup").len(), 2, "both receipts that name it");
}

#[tokio::test]
async fn an_orphan_whose_transaction_is_another_places_is_shown_with_both_figures() {
    let database = TestDatabase::migrated().await;
    let score = Generator::new(50).score();
    let orphan = |place: &str| {
        let mut orphan = examples().remove(2);
        assert_eq!((orphan.outcome, orphan.reason), (MatchOutcome::Orphan, MatchReason::WaitOver));
        orphan.receipt.place_id = place.to_owned();
        orphan.receipt.payment_transaction_id = Some(score.transaction.transaction_id.clone());
        orphan
    };
    let orphans = [orphan("elsewhere"), orphan(&score.transaction.merchant_id)];
    database.sink().write(&batch(0, 0, std::slice::from_ref(&score))).await.expect("a score");
    database.sink().write(&batch(0, 0, &orphans)).await.expect("orphans");
    let sql =
        "SELECT place_id, paid_by_merchant_id, toString(paid_by_trn_id) AS paid_by FROM {db}.receipts_paid_elsewhere";
    let told = json!({
        "place_id": "elsewhere", "paid_by_merchant_id": score.transaction.merchant_id, "paid_by": score.trn_id,
    });
    assert_eq!(rows(&database, sql).await, [told]);
}
