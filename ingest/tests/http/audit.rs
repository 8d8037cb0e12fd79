//! The trace that requests leave.

use crate::support::{CARD, Mode, NOW, Running, numbered, payload, transaction, with};
use http::Method;
use millrace_runtime::headers;
use millrace_schemas::Topic;
use serde_json::{Value as Json, json};

const TRANSACTIONS: &str = "/api/v1/transactions";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn an_accepted_event_carries_its_request_in_headers() {
    let gateway = Running::start().await;
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let sent =
        [("content-type", "application/json"), ("x-request-id", "order-7"), ("traceparent", traceparent.as_str())];
    let answer = gateway.client.send(Method::POST, TRANSACTIONS, &sent, transaction().to_string()).await;
    let record = gateway.log.of(Topic::Transactions).remove(0);
    assert_eq!(record.headers.text(headers::REQUEST_ID), Some("order-7"));
    assert_eq!(record.headers.text(headers::CLIENT), Some("127.0.0.1"));
    assert_eq!(record.headers.text(headers::FORMAT), Some("json"));
    assert_eq!(
        (answer.header("x-request-id"), answer.json()["request_id"].as_str()),
        (Some("order-7"), Some("order-7"))
    );
    let own = answer.header("traceparent").expect("a trace").to_owned();
    assert_eq!(record.headers.text(headers::TRACEPARENT), Some(own.as_str()));
    assert!(own.starts_with(&format!("00-{TRACE}-")) && own != traceparent, "{own}");
    gateway.stop().await;
}

#[tokio::test]
async fn the_events_of_a_batch_carry_their_position_in_it() {
    let gateway = Running::start().await;
    gateway.client.post_json(TRANSACTIONS, &transaction()).await;
    gateway.client.post_json(TRANSACTIONS, &json!([numbered(8), json!({}), numbered(9)])).await;
    let positions: Vec<Option<i32>> =
        gateway.log.of(Topic::Transactions).iter().map(|record| record.headers.request_index()).collect();
    assert_eq!(positions, [None, Some(0), Some(2)]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_id_that_is_none_is_replaced() {
    let gateway = Running::start().await;
    let sent = [("content-type", "application/json"), ("x-request-id", "two words")];
    let answer = gateway.client.send(Method::POST, TRANSACTIONS, &sent, "{").await;
    let id = answer.header("x-request-id").expect("an id").to_owned();
    assert_eq!((id.len(), answer.json()["request_id"].as_str()), (36, Some(id.as_str())));
    assert_eq!(gateway.log.of(Topic::Requests)[0].key, id);
    gateway.stop().await;
}

#[tokio::test]
async fn a_refused_body_is_kept_with_its_request() {
    let gateway = Running::start().await;
    let sent = [("content-type", "application/json"), ("x-request-id", "bad-1"), ("user-agent", "till/1.0")];
    gateway.client.send(Method::POST, TRANSACTIONS, &sent, "{\"amount\": ").await;
    let (request, letter) = (gateway.log.last(Topic::Requests), gateway.log.last(Topic::DeadLetters));
    assert_eq!(
        (&request["request_id"], &request["http_status"], &request["code"]),
        (&json!("bad-1"), &json!(400), &json!("malformed"))
    );
    assert_eq!(
        (&request["path"], &request["user_agent"], &request["client"]),
        (&json!(TRANSACTIONS), &json!("till/1.0"), &json!("127.0.0.1"))
    );
    assert_eq!(
        (&letter["request_id"], &letter["request_index"], &letter["code"]),
        (&json!("bad-1"), &Json::Null, &json!("malformed"))
    );
    assert_eq!(
        (payload(&letter).as_str(), &letter["payload_bytes"], &letter["truncated"]),
        ("{\"amount\": ", &json!(11), &json!(false))
    );
    assert_eq!(
        (&letter["received_at"], &letter["content_type"], &letter["attempt"]),
        (&json!(NOW), &json!("application/json"), &json!(1))
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_batch_is_recorded_with_its_answers_and_its_refused_items() {
    let gateway = Running::start().await;
    let bad = with(numbered(2), json!({"amount": "x"}));
    let sent = [("content-type", "application/json"), ("x-request-id", "batch-1")];
    let body = format!("[{},\n  {bad} ]", numbered(1));
    gateway.client.send(Method::POST, TRANSACTIONS, &sent, body.clone()).await;
    let (request, letter) = (gateway.log.last(Topic::Requests), gateway.log.last(Topic::DeadLetters));
    let counts =
        ["accepted", "duplicates", "rejected", "body_bytes"].map(|field| request[field].as_u64().expect("a count"));
    assert_eq!(counts, [1, 0, 1, body.len() as u64]);
    assert_eq!(
        (&request["results"][0]["offset"], &request["results"][1]["errors"][0]["path"]),
        (&json!(0), &json!("/1/amount"))
    );
    assert_eq!((&letter["request_index"], payload(&letter)), (&json!(1), bad.to_string()));
    assert_eq!((&letter["code"], &letter["errors"][0]["path"]), (&json!("not_a_number"), &json!("/1/amount")));
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_kept_is_cut_to_its_limit_and_to_what_the_broker_takes() {
    let gateway = Running::start_with(|config| config.letter_max_bytes = 1_000).await;
    let long = format!("{{\"note\": \"{}", "x".repeat(5_000));
    gateway.client.post(TRANSACTIONS, "application/json", long.clone()).await;
    let letter = gateway.log.last(Topic::DeadLetters);
    assert_eq!(
        (payload(&letter), &letter["truncated"], &letter["payload_bytes"]),
        (long[..1_000].to_owned(), &json!(true), &json!(long.len()))
    );
    gateway.stop().await;

    let gateway = Running::start().await;
    gateway.log.set_bytes_max(8_000);
    gateway.client.post(TRANSACTIONS, "application/json", long).await;
    let letter = gateway.log.last(Topic::DeadLetters);
    assert_eq!((payload(&letter).len() < 5_000, &letter["truncated"]), (true, &json!(true)));
    gateway.stop().await;
}

#[tokio::test]
async fn a_batch_too_large_to_be_recorded_whole_is_recorded_by_its_counts() {
    let gateway = Running::start().await;
    gateway.log.set_bytes_max(8_000);
    let items: Vec<Json> = (0..100).map(numbered).collect();
    assert_eq!(gateway.client.post_json(TRANSACTIONS, &Json::from(items)).await.status, 202);
    let request = gateway.log.last(Topic::Requests);
    assert_eq!((&request["accepted"], &request["results"]), (&json!(100), &json!([])));
    assert!(
        request["message"].as_str().is_some_and(|message| message.starts_with("100 results take more")),
        "{request}"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn card_data_is_neither_kept_nor_answered() {
    let gateway = Running::start().await;
    let headers = [("content-type", "application/json"), ("content-encoding", "br")];
    gateway.client.send(Method::POST, TRANSACTIONS, &headers, transaction().to_string()).await;
    gateway.client.post_json(TRANSACTIONS, &with(transaction(), json!({"card_number": CARD}))).await;
    let payloads: Vec<String> =
        gateway.log.of(Topic::DeadLetters).iter().map(|letter| payload(&letter.event)).collect();
    assert_eq!(
        payloads,
        [
            "[not kept: its content encoding cannot be read, so it cannot be searched for card data]",
            "[not kept: card data]",
        ]
    );
    assert!(!gateway.log.text().contains(CARD));
    gateway.stop().await;
}

#[tokio::test]
async fn a_refusal_stands_when_its_trace_cannot_be_written() {
    let gateway = Running::start_with(|config| config.audit_timeout_ms = 50).await;
    for mode in [Mode::Stall, Mode::Refuse] {
        gateway.log.set(mode);
        let answer = gateway.client.post_json(TRANSACTIONS, &with(transaction(), json!({"amount": -1}))).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["path"]), (422, &json!("/amount")), "{mode:?}");
    }
    gateway.stop().await;
}
