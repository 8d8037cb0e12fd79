//! One event's rows, by any of its ids.

use crate::{
    database::TestDatabase,
    events::{Generator, START, batch},
    rows::request,
};
use millrace_projections::clickhouse::lookup::Found;
use millrace_runtime::sink::Sink as _;
use millrace_schemas::event::{DeadLetter, Duplicate};

async fn tables_with(database: &TestDatabase, id: &str) -> Vec<Found> {
    database.clickhouse.find(id).await.unwrap_or_else(|error| panic!("{id}: {error}"))
}

fn names(found: &[Found]) -> Vec<&str> {
    found.iter().map(|row| row.table.as_str()).collect()
}

#[tokio::test]
async fn an_event_is_found_in_every_table_by_either_of_its_ids() {
    let database = TestDatabase::migrated().await;
    let (sink, mut generator) = (database.sink(), Generator::new(40));
    let (scores, purchases) = (generator.scores(50), generator.purchases(50));
    sink.write(&batch(1, 100, &scores)).await.expect("scores");
    sink.write(&batch(2, 200, &purchases)).await.expect("purchases");

    let score = &scores[7];
    for id in [&score.trn_id, &score.transaction.transaction_id] {
        let found = tables_with(&database, id).await;
        assert_eq!(names(&found), ["transactions", "transaction_scores"], "{id}");
        let row = &found[1];
        assert_eq!(
            (row.trn_id.as_str(), row.owner.as_str()),
            (score.trn_id.as_str(), score.transaction.customer_id.as_str())
        );
        assert_eq!((row.topic.as_str(), row.partition, row.offset), ("transaction-scores", 1, 107));
        assert_eq!((row.source.as_str(), row.source_timestamp), ("transactions/0/8", score.source.timestamp));
        assert_eq!((row.timestamp, row.received_at), (START + 107, score.received_at));
        assert!(["allow", "review", "block"].contains(&row.outcome.as_str()) && row.stored_at > START, "{row:?}");
    }
    for id in [&purchases[3].trn_id, &purchases[3].receipt.transaction_id] {
        let found = tables_with(&database, id).await;
        assert_eq!((names(&found), found[0].offset), (vec!["receipts"], 203), "{id}");
    }
    assert!(tables_with(&database, "nothing'; DROP").await.is_empty());
    assert!(tables_with(&database, "628f5a84-bf58-5573-ad50-e157f8addb72").await.is_empty());
}

#[tokio::test]
async fn what_took_no_effect_is_found_too() {
    let database = TestDatabase::migrated().await;
    let sink = database.sink();
    let score = Generator::new(41).score();
    let duplicate = Duplicate {
        event_id: "00112233-4455-6677-8899-aabbccddeeff".into(),
        received_at: START,
        trn_id: score.trn_id.clone(),
        source: score.source.clone(),
        first_offset: 0,
    };
    let letter = DeadLetter {
        event_id: "00112233-4455-6677-8899-aabbccddee11".into(),
        received_at: START,
        source_topic: Some("transactions".into()),
        source_partition: Some(4),
        source_offset: Some(44),
        request_id: Some("request-9".into()),
        request_index: None,
        target_topic: "transactions".into(),
        key: None,
        content_type: "avro/binary".into(),
        payload: vec![1],
        payload_bytes: 1,
        truncated: false,
        code: "conflict".into(),
        message: "no".into(),
        errors: vec![],
        attempt: 1,
    };
    sink.write(&batch(0, 0, std::slice::from_ref(&duplicate))).await.expect("duplicate");
    sink.write(&batch(0, 0, std::slice::from_ref(&letter))).await.expect("letter");
    sink.write(&batch(0, 0, &[request("request-9")])).await.expect("request");

    assert_eq!(names(&tables_with(&database, &score.trn_id).await), ["duplicates"]);
    let found = tables_with(&database, &letter.event_id).await;
    assert_eq!((names(&found), found[0].source.as_str()), (vec!["dead_letters"], "transactions/4/44"));
    let found = tables_with(&database, "request-9").await;
    assert_eq!(names(&found), ["dead_letters", "requests"]);
    assert_eq!((found[0].outcome.as_str(), found[1].outcome.as_str()), ("conflict", "207"));
    let batch_item = tables_with(&database, "628f5a84-bf58-5573-ad50-0000000000aa").await;
    assert_eq!(names(&batch_item), ["requests"]);

    let counts = database.clickhouse.counts().await.expect("counts");
    assert_eq!((counts["dead_letters"], counts["requests"], counts["receipts"], counts.len()), (1, 1, 0, 9));
}
