//! Labels: from their topic to their table, what no gateway looked at included.

use crate::{
    database::TestDatabase,
    events::{START, batch, brought_by},
    requests::{accepted, get, outcomes},
    rows::request,
};
use millrace_runtime::sink::{Sink as _, SinkError};
use millrace_schemas::{
    Topic,
    event::{Journal as _, Label, LabelKind, TimeResolution},
    ids,
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

pub fn label(transaction_id: &str, label: LabelKind) -> Label {
    Label {
        event_id: "00112233-4455-6677-8899-aabbccddee00".into(),
        decided_at: START - 1,
        received_at: START + 2,
        customer_id: "customer-1".into(),
        label_id: format!("{}-of-{transaction_id}", label.name()),
        transaction_id: transaction_id.into(),
        trn_id: ids::trn_id(Topic::Transactions, "customer-1", transaction_id).to_string(),
        label,
        source: "issuer-feed".into(),
        time_zone: Some("Europe/Berlin".into()),
        time_resolution: TimeResolution::AmbiguousEarlier,
        extra: BTreeMap::from([("reason".to_owned(), "\"10.4\"".to_owned())]),
    }
}

#[tokio::test]
async fn a_label_is_read_back_as_it_was() {
    let database = TestDatabase::migrated().await;
    let labels = LabelKind::ALL.map(|kind| label("txn-1", kind));
    database.sink().write(&batch(2, 5, &labels)).await.expect("batch");
    let sql = format!(
        "SELECT formatRowNoNewline('JSONEachRow', *) FROM (SELECT toString(trn_id) AS trn_id, customer_id, transaction_id, label_id, \
         toString(label_trn_id) AS label_trn_id, label, source, toString(toUnixTimestamp64Milli(decided_at)) AS decided_at, \
         toString(toUnixTimestamp64Milli(received_at)) AS received_at, time_zone, time_resolution, extra, toString(event_id) AS event_id, \
         _topic, _partition, toString(_offset) AS _offset FROM {}.labels ORDER BY _offset)",
        database.clickhouse.database()
    );
    let rows: Vec<String> = database.clickhouse.query(&sql).fetch_all().await.expect("rows");
    let rows: Vec<Json> = rows.iter().map(|row| serde_json::from_str(row).expect("JSON")).collect();
    let expected = (5..).zip(&labels).map(|(offset, label)| {
        json!({
            "trn_id": label.trn_id, "customer_id": "customer-1", "transaction_id": "txn-1", "label_id": label.label_id,
            "label_trn_id": label.trn_id().to_string(), "label": label.label.name(), "source": "issuer-feed",
            "decided_at": (START - 1).to_string(), "received_at": (START + 2).to_string(), "time_zone": "Europe/Berlin",
            "time_resolution": "ambiguous_earlier", "extra": {"reason": "\"10.4\""}, "event_id": label.event_id,
            "_topic": "labels", "_partition": 2, "_offset": offset.to_string(),
        })
    });
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_label_that_breaks_the_rules_is_given_up_with_its_code() {
    let database = TestDatabase::migrated().await;
    let good = label("txn-1", LabelKind::Fraud);
    let other = Label { trn_id: ids::trn_id(Topic::Transactions, "customer-2", "txn-1").to_string(), ..good.clone() };
    let empty = Label { source: String::new(), ..good.clone() };
    for (bad, expected) in [(other, "wrong_trn_id"), (empty, "empty")] {
        let error = database.sink().write(&batch(0, 7, &[good.clone(), bad])).await.expect_err("given up");
        match error {
            SinkError::Poison { offset, code, .. } => assert_eq!((offset, code), (8, expected)),
            other => panic!("{other}"),
        }
    }
    let mut stranger = batch(0, 7, &[good]);
    stranger.parts[0].records[0].key = Some(bytes::Bytes::from_static(b"customer-2"));
    let error = database.sink().write(&stranger).await.expect_err("given up");
    assert!(matches!(error, SinkError::Poison { offset: 7, code: "key_mismatch", .. }), "{error}");
    assert_eq!(database.number("SELECT count() FROM {db}.labels").await, 0);
}

#[tokio::test]
async fn labels_are_told_by_the_request_that_brought_them_and_found_by_every_id() {
    let database = TestDatabase::migrated().await;
    let labels = [label("txn-1", LabelKind::Fraud), label("txn-2", LabelKind::Legitimate)];
    database.sink().write(&brought_by("labels-1", batch(0, 40, &labels))).await.expect("labels");
    let mut record = request("labels-1");
    record.accepted = 2;
    record.results = (0..)
        .zip(&labels)
        .map(|(index, label)| accepted(index, &label.trn_id().to_string(), 40 + i64::from(index)))
        .collect();
    // A later request repeats the first.
    let mut repeated = request("labels-2");
    repeated.accepted = 0;
    repeated.results = vec![accepted(0, &labels[0].trn_id().to_string(), 40)];
    repeated.results[0].status = "duplicate".into();
    database.sink().write(&batch(0, 0, &[record, repeated])).await.expect("requests");
    for (id, expected) in [("labels-1", vec!["labelled"; 2]), ("labels-2", vec!["duplicate"])] {
        let (status, answer) = get(&database, &format!("/api/v1/requests/{id}")).await;
        assert_eq!((status, &answer["final"], outcomes(&answer)), (200, &json!(true), expected), "{answer}");
    }
    let own = labels[1].trn_id().to_string();
    for id in ["txn-2", "legitimate-of-txn-2", labels[1].trn_id.as_str(), own.as_str()] {
        let found: Vec<_> = database
            .clickhouse
            .find(id)
            .await
            .expect("found")
            .into_iter()
            .filter(|found| found.table == "labels")
            .collect();
        assert_eq!(found.len(), 1, "{id}");
        assert_eq!((found[0].outcome.as_str(), found[0].offset), ("legitimate", 41), "{id}");
    }
}
