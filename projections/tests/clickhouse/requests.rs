//! What a request's answer says became of its items, from the tables.

use crate::{
    database::TestDatabase,
    events::{Generator, START, batch, brought_by},
    rows::request,
};
use axum::{body::Body, http::Request};
use millrace_projections::query::{QueryConfig, routes};
use millrace_runtime::sink::Sink as _;
use millrace_schemas::event::{Duplicate, ItemResult};
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};
use tower::ServiceExt as _;

pub async fn get(database: &TestDatabase, path: &str) -> (u16, Json) {
    let config = QueryConfig { timeout_ms: 2_000, ..QueryConfig::default() };
    let router = routes(&database.config, &config).expect("routes");
    let request = Request::get(path).header("x-request-id", "asked-1").body(Body::empty()).expect("a request");
    let answer = router.oneshot(request).await.expect("an answer");
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

pub fn outcomes(answer: &Json) -> Vec<&str> {
    answer["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["outcome"].as_str().expect("an outcome"))
        .collect()
}

pub fn accepted(index: i32, trn_id: &str, offset: i64) -> ItemResult {
    let (trn_id, status) = (Some(trn_id.to_owned()), "accepted".to_owned());
    ItemResult { index, trn_id, status, partition: Some(0), offset: Some(offset), errors: Vec::new() }
}

#[tokio::test]
async fn a_single_accepted_item_is_found_by_its_request() {
    let database = TestDatabase::migrated().await;
    let score = Generator::new(50).score();
    let mut one = brought_by("single-1", batch(0, 0, std::slice::from_ref(&score)));
    one.parts[0].records[0].headers = millrace_runtime::Headers::new().with("request-id", "single-1");
    database.sink().write(&one).await.expect("batch");
    let (status, answer) = get(&database, "/api/v1/requests/single-1").await;
    let item = &answer["items"][0];
    assert_eq!((status, &answer["final"], &item["outcome"]), (200, &json!(true), &json!("scored")), "{answer}");
    assert_eq!((&item["trn_id"], &item["event_id"]), (&json!(score.trn_id), &json!(score.event_id)));
    assert_eq!(item["journal"], json!({"topic": "transactions", "partition": 0, "offset": score.source.offset}));
    assert!(item["decision"].is_string() && item["scoring"].is_number(), "{item}");
}

#[tokio::test]
async fn a_batch_is_told_item_by_item_and_is_final_when_all_are() {
    let database = TestDatabase::migrated().await;
    let (sink, mut generator) = (database.sink(), Generator::new(51));
    let scores = generator.scores(3);
    let duplicate = Duplicate {
        event_id: "00112233-4455-6677-8899-aabbccddeeff".into(),
        received_at: START,
        trn_id: scores[0].trn_id.clone(),
        source: millrace_schemas::event::Source { offset: 77, ..scores[0].source.clone() },
        first_offset: scores[0].source.offset,
    };
    let mut record = request("batch-1");
    record.accepted = 4;
    record.results = vec![
        accepted(0, &scores[0].trn_id, scores[0].source.offset),
        accepted(1, &scores[1].trn_id, scores[1].source.offset),
        accepted(2, &duplicate.trn_id, 77),
        ItemResult { index: 3, ..record.results[1].clone() },
        ItemResult { status: "retry".into(), partition: None, offset: None, ..accepted(4, &scores[2].trn_id, 0) },
    ];
    sink.write(&batch(0, 0, &[record])).await.expect("request");
    sink.write(&brought_by("batch-1", batch(0, 0, &scores[..1]))).await.expect("score");
    let (_, answer) = get(&database, "/api/v1/requests/batch-1").await;
    assert_eq!(outcomes(&answer), ["scored", "pending", "pending", "invalid", "pending"], "{answer}");
    assert_eq!(
        (&answer["final"], &answer["http_status"], &answer["items"][3]["code"]),
        (&json!(false), &json!(207), &json!("negative_amount"))
    );

    let waiting = async { (get(&database, "/api/v1/requests/batch-1?wait_ms=9000").await.1, Instant::now()) };
    let writing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sink.write(&brought_by("batch-1", batch(0, 1, &scores[1..2]))).await.expect("score");
        sink.write(&brought_by("batch-1", batch(0, 0, std::slice::from_ref(&duplicate)))).await.expect("duplicate");
        // The client's own retry of the last item, under another request.
        sink.write(&brought_by("batch-2", batch(0, 2, &scores[2..]))).await.expect("score");
        Instant::now()
    };
    let ((answer, answered_at), written_at) = tokio::join!(waiting, writing);
    assert_eq!(outcomes(&answer), ["scored", "scored", "duplicate", "invalid", "scored"], "{answer}");
    assert_eq!(
        (&answer["final"], &answer["items"][2]["first_offset"]),
        (&json!(true), &json!(scores[0].source.offset))
    );
    assert_eq!(answer["items"][2]["decision"], answer["items"][0]["decision"]);
    assert!(answered_at < written_at + Duration::from_secs(5), "the answer came when it was final");
}

#[tokio::test]
async fn what_cannot_be_answered_is_a_problem() {
    let database = TestDatabase::migrated().await;
    let (status, unknown) = get(&database, "/api/v1/requests/nobody'%20OR%201=1").await;
    assert_eq!((status, &unknown["code"], &unknown["request_id"]), (404, &json!("unknown_request"), &json!("asked-1")));
    let (status, bad) = get(&database, "/api/v1/requests/x?wait_ms=soon").await;
    assert_eq!((status, &bad["code"]), (400, &json!("bad_parameter")), "{bad}");
    let nobody = TestDatabase::with(|config| config.url = "http://127.0.0.1:9".into());
    let (status, away) = get(&nobody, "/api/v1/requests/x").await;
    assert_eq!((status, &away["code"], &away["trn_status"]), (503, &json!("unavailable"), &json!("Error")));
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("address");
    let slow = TestDatabase::with(|config| config.url = format!("http://{address}"));
    let began = Instant::now();
    assert_eq!(get(&slow, "/api/v1/requests/x").await.0, 503);
    assert!(began.elapsed() < Duration::from_secs(4), "a question has a bounded time");
}
