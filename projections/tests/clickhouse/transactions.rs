//! One transaction and its score over HTTP, by every id there is of it.

use crate::{
    database::TestDatabase,
    events::{Generator, START, batch, brought_by},
    labels::label,
    requests::get,
    rows,
};
use millrace_projections::score::ScoreView;
use millrace_runtime::sink::Sink as _;
use millrace_schemas::{
    Topic,
    event::{DEFAULT_SCORE_CODE, Decision, DecisionSource, LabelKind, ShadowScore, TransactionScore},
    ids,
};
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The same transaction as another customer's, or under another id.
fn renamed(score: &TransactionScore, customer_id: &str, transaction_id: &str) -> TransactionScore {
    let mut score = score.clone();
    score.transaction.customer_id = customer_id.into();
    score.transaction.transaction_id = transaction_id.into();
    score.trn_id = ids::trn_id(Topic::Transactions, customer_id, transaction_id).to_string();
    score
}

/// A text as one segment of a path or value of a parameter.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn every_score_is_told_by_the_tables_as_by_the_log() {
    let database = TestDatabase::migrated().await;
    let scores = Generator::new(60).scores(200);
    let batch = batch(1, 100, &scores);
    database.sink().write(&batch).await.expect("batch");
    for (score, record) in scores.iter().zip(batch.records()) {
        let id = Uuid::try_parse(&score.trn_id).expect("an id");
        let stored = database.clickhouse.score(id).await.expect("an answer");
        assert_eq!(stored, Some(ScoreView::of(score.clone(), record)));
    }
    assert_eq!(database.clickhouse.score(Uuid::nil()).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_score_is_told_with_all_it_was_computed_from() {
    let database = TestDatabase::migrated().await;
    let mut score = renamed(&Generator::new(61).score(), "customer-1", "txn-1");
    score.transaction.amount = 109_900;
    score.transaction.currency = "EUR".into();
    (score.occurred_at, score.received_at, score.scoring) = (START + 1, START + 2, 0.75);
    (score.decision, score.decision_source) = (Decision::Block, DecisionSource::Rules);
    score.transaction.is_fraud = Some(false);
    score.reasons.truncate(0);
    (score.model, score.window_exact) = (None, false);
    (score.raw_scoring, score.default_cause) = (None, Some("timeout".into()));
    score.shadow = Some(ShadowScore { model: "m-1".into(), scoring: Some(0.25) });
    let reason = millrace_schemas::event::Reason {
        code: "velocity".into(),
        text: "many \"at once\"".into(),
        feature: "count_3h".into(),
        value: 7.0,
        contribution: 1.75,
    };
    score.reasons.push(reason);
    database.sink().write(&batch(2, 5, std::slice::from_ref(&score))).await.expect("batch");
    let (status, told) = get(&database, "/api/v1/transactions/txn-1/score?customer_id=customer-1").await;
    let expected = json!({
        "trn_id": "628f5a84-bf58-5573-ad50-e157f8addb72", "customer_id": "customer-1", "transaction_id": "txn-1",
        "occurred_at": "2026-03-01T00:00:00.001Z", "received_at": "2026-03-01T00:00:00.002Z",
        "amount": number("10.99"), "currency": "EUR", "scoring": 0.75, "is_fraud": true, "decision": "block",
        "decision_source": "rules",
        "reasons": [{"code": "velocity", "text": "many \"at once\"", "feature": "count_3h", "value": 7.0, "contribution": 1.75}],
        "model": null, "raw_scoring": null, "default_cause": "timeout", "shadow": {"model": "m-1", "scoring": 0.25},
        "configuration": "1",
        "customer_transaction_count_3h": 1, "customer_avg_amount_3h": number("1.00"),
        "customer_transaction_count_6h": 2, "customer_avg_amount_6h": number("2.0001"),
        "customer_transaction_count_12h": 3, "customer_avg_amount_12h": number("3.0002"),
        "customer_transaction_count_24h": 4, "customer_avg_amount_24h": number("4.0003"),
        "window_exact": false, "features": {"amount_ratio": 1.5, "count_3h": 7.0},
        "event_id": score.event_id, "processed_at": "2026-03-01T00:00:00.005Z",
        "journal": {"topic": "transactions", "partition": 0, "offset": 1, "appended_at": "2026-03-01T00:00:00.001Z"},
        "record": {"topic": "transaction-scores", "partition": 2, "offset": 5},
    });
    assert_eq!((status, told), (200, expected));
}

fn number(digits: &str) -> Json {
    serde_json::from_str(digits).expect("a number")
}

#[tokio::test]
async fn a_transaction_is_told_as_it_came_with_its_decision_and_its_labels() {
    let database = TestDatabase::migrated().await;
    let sink = database.sink();
    let mut score = renamed(&Generator::new(62).score(), "customer-1", "txn-1");
    score.transaction.amount = 1;
    score.decision = Decision::Review;
    let t = &mut score.transaction;
    (t.is_fraud, t.latitude, t.card_id, t.customer_segments) =
        (Some(true), None, Some("token".into()), vec!["vip".into()]);
    t.extra = [("points".to_owned(), "{\"n\":0.10}".to_owned())].into();
    sink.write(&brought_by("request-1", batch(0, 0, std::slice::from_ref(&score)))).await.expect("score");
    let (_, told) = get(&database, "/api/v1/transactions/txn-1").await;
    let t = &score.transaction;
    let first_score = json!({
        "scoring": score.scoring, "decision": "review", "decision_source": score.decision_source.name(),
        "reasons": score.reasons.iter().map(|reason| &reason.code).collect::<Vec<_>>(), "model": score.model, "configuration": "1",
        "event_id": score.event_id, "processed_at": "2026-03-01T00:00:00.000Z",
    });
    let expected = json!({
        "trn_id": score.trn_id, "customer_id": "customer-1", "transaction_id": "txn-1",
        "occurred_at": millrace_schemas::time::format_instant(score.occurred_at),
        "received_at": millrace_schemas::time::format_instant(score.received_at),
        "amount": number("0.0001"), "currency": t.currency, "type": t.transaction_type, "merchant_id": t.merchant_id,
        "merchant_category": t.merchant_category, "transaction_category": t.transaction_category, "channel": t.channel,
        "card_bin": "400000", "card_id": "token", "ip_address": "192.0.2.1", "device_id": "device-1", "location": t.location,
        "latitude": null, "longitude": t.longitude, "asserted_is_fraud": true, "merchant_risk_score": t.merchant_risk_score,
        "card_risk_score": null, "customer_risk_score": t.customer_risk_score, "is_velocity_alert": t.is_velocity_alert,
        "is_location_alert": null, "is_device_alert": t.is_device_alert, "is_high_value": null, "customer_segments": ["vip"],
        "time_zone": t.time_zone, "time_resolution": t.time_resolution, "extra": {"points": {"n": number("0.10")}},
        "request_id": "request-1", "request_index": 0,
        "is_fraud": false, "score": first_score, "default_answers": [], "labels": [],
    });
    assert_eq!(told, expected, "what a client asserted is not what was decided");

    // One client was answered before the score came; another request only names the transaction.
    let mut requests = ["request-1", "request-2"].map(rows::request);
    for request in &mut requests {
        request.results[0].trn_id = Some(score.trn_id.clone());
    }
    (requests[0].code, requests[0].message) = (Some(DEFAULT_SCORE_CODE.into()), Some("no score within 50 ms".into()));
    sink.write(&batch(0, 0, &requests)).await.expect("requests");
    let (_, told) = get(&database, &format!("/api/v1/transactions/{}", score.trn_id)).await;
    let answered = json!({"request_id": "request-1", "received_at": "2026-03-01T00:00:00.000Z", "message": "no score within 50 ms"});
    assert_eq!(told["default_answers"], json!([answered]));

    // Two statements, the first one sent again at last; another transaction's label.
    let mut labels =
        vec![label("txn-1", LabelKind::Fraud), label("txn-1", LabelKind::Legitimate), label("txn-2", LabelKind::Fraud)];
    labels[0].decided_at = START + 50;
    labels.push(labels[0].clone());
    sink.write(&batch(0, 0, &labels)).await.expect("labels");
    let (_, told) = get(&database, &format!("/api/v1/transactions/{}", score.trn_id)).await;
    let labelled: Vec<&str> =
        told["labels"].as_array().expect("labels").iter().filter_map(|it| it["label"].as_str()).collect();
    assert_eq!(labelled, ["legitimate", "fraud"], "in the order of the decisions");
    assert_eq!(
        told["labels"][1],
        json!({
            "label_id": "fraud-of-txn-1", "trn_id": millrace_schemas::event::Journal::trn_id(&labels[0]).to_string(), "label": "fraud",
            "source": "issuer-feed", "decided_at": "2026-03-01T00:00:00.050Z", "received_at": "2026-03-01T00:00:00.002Z",
            "event_id": labels[0].event_id,
        })
    );
}

#[tokio::test]
async fn a_transaction_is_found_by_whatever_names_it_and_never_by_half() {
    let database = TestDatabase::migrated().await;
    let template = Generator::new(63).score();
    let twin = "0a0b0c0d-0000-4000-8000-000000000001";
    let odd = "a/b?c=d&e' OR 1=1 --\\ я";
    let scores = [("anna", "shared"), ("boris", "shared"), ("anna", "only-anna"), ("anna", twin), ("anna", odd)]
        .map(|(customer, id)| renamed(&template, customer, id));
    database.sink().write(&batch(0, 0, &scores)).await.expect("batch");
    let [first, second, ..] = &scores;
    let id = |score: &TransactionScore| score.trn_id.clone();
    let upper = id(first).to_uppercase();
    let (long, very_long) = ("x".repeat(129), "x".repeat(5_000));
    let table: Vec<(String, u16, &str)> = vec![
        (id(first), 200, &first.trn_id),
        (id(second), 200, &second.trn_id),
        (upper, 200, &first.trn_id),
        (format!("{}?customer_id=anna", id(first)), 200, &first.trn_id),
        (format!("{}?customer_id=boris", id(first)), 404, "unknown_transaction"),
        ("shared?customer_id=anna".into(), 200, &first.trn_id),
        ("shared?customer_id=boris".into(), 200, &second.trn_id),
        ("shared?customer_id=nobody".into(), 404, "unknown_transaction"),
        ("shared".into(), 409, "ambiguous_id"),
        ("only-anna".into(), 200, &scores[2].trn_id),
        (twin.into(), 200, &scores[3].trn_id),
        (format!("{twin}?customer_id=anna"), 200, &scores[3].trn_id),
        (encoded(odd), 200, &scores[4].trn_id),
        (format!("{}?customer_id={}", encoded(odd), encoded("anna")), 200, &scores[4].trn_id),
        ("ONLY-ANNA".into(), 404, "unknown_transaction"),
        ("628f5a84-bf58-5573-ad50-e157f8addb72".into(), 404, "unknown_transaction"),
        (long.clone(), 404, "unknown_transaction"),
        (very_long, 404, "unknown_transaction"),
        (format!("shared?customer_id={long}"), 404, "unknown_transaction"),
        (encoded("a\nb"), 404, "unknown_transaction"),
        ("%FF".into(), 400, "bad_parameter"),
        ("shared?customer=anna".into(), 400, "bad_parameter"),
        ("shared?wait_ms=-1".into(), 400, "bad_parameter"),
    ];
    for (asked, status, told) in &table {
        for (behind, path) in [("", "transaction"), ("/score", "score"), ("/", "transaction"), ("/score/", "score")] {
            let (id, parameters) =
                asked.split_once('?').map_or((asked.as_str(), String::new()), |(id, rest)| (id, format!("?{rest}")));
            let (was, answer) = get(&database, &format!("/api/v1/transactions/{id}{behind}{parameters}")).await;
            let word = if was == 200 { &answer["trn_id"] } else { &answer["code"] };
            assert_eq!((was, word.as_str()), (*status, Some(*told)), "{path} {asked}: {answer}");
        }
    }
}

#[tokio::test]
async fn what_no_transaction_can_be_called_is_not_asked_of_the_server() {
    let nobody = TestDatabase::with(|config| config.url = "http://127.0.0.1:9".into());
    let long = "x".repeat(129);
    for path in [long.clone(), format!("{long}/score"), format!("a?customer_id={long}"), encoded("a\u{7}")] {
        let (status, answer) = get(&nobody, &format!("/api/v1/transactions/{path}")).await;
        assert_eq!((status, &answer["code"]), (404, &json!("unknown_transaction")), "{path}");
    }
    let (status, answer) = get(&nobody, &format!("/api/v1/customers/{long}/statistics")).await;
    assert_eq!((status, &answer["code"]), (404, &json!("unknown_customer")));
    let (status, answer) = get(&nobody, "/api/v1/transactions/a").await;
    assert_eq!((status, &answer["code"]), (503, &json!("unavailable")), "the server is asked for what can be");
}

#[tokio::test]
async fn whoever_waits_has_the_score_as_soon_as_it_is_there() {
    let database = TestDatabase::migrated().await;
    let sink = database.sink();
    let score = renamed(&Generator::new(64).score(), "anna", "soon");
    let asked = "/api/v1/transactions/soon/score";
    let (status, unknown) = get(&database, asked).await;
    let detail = unknown["detail"].as_str().expect("a detail");
    assert!(status == 404 && detail.contains("may not be queryable yet"), "{unknown}");
    let waiting = async { (get(&database, &format!("{asked}?wait_ms=9000")).await, Instant::now()) };
    let writing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sink.write(&batch(0, 0, std::slice::from_ref(&score))).await.expect("batch");
        Instant::now()
    };
    let (((status, told), answered_at), written_at) = tokio::join!(waiting, writing);
    assert_eq!((status, &told["trn_id"]), (200, &json!(score.trn_id)), "{told}");
    assert!(answered_at < written_at + Duration::from_secs(5), "the answer came when it was there");
}

#[tokio::test]
async fn an_id_that_came_again_later_is_the_last_transaction() {
    let database = TestDatabase::migrated().await;
    let mut generator = Generator::new(65);
    let first = renamed(&generator.score(), "anna", "again");
    let second = renamed(&generator.score(), "anna", "again");
    assert_ne!(first.event_id, second.event_id);
    for (offset, score) in [(3, &first), (9, &second)] {
        database.sink().write(&batch(1, offset, std::slice::from_ref(score))).await.expect("batch");
    }
    let (_, told) = get(&database, "/api/v1/transactions/again/score").await;
    assert_eq!((&told["event_id"], &told["record"]["offset"]), (&json!(second.event_id), &json!(9)));
    let (_, told) = get(&database, "/api/v1/transactions/again").await;
    assert_eq!(told["score"]["event_id"], json!(second.event_id));
    assert_eq!(told["merchant_id"], json!(second.transaction.merchant_id), "and its own transaction");
}
