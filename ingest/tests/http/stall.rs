//! A log that does not acknowledge: 503 by the deadline, a red readiness, bounded memory, and recovery without a restart.

use crate::support::{Mode, Running, numbered, transaction, with};
use futures::future::join_all;
use millrace_schemas::Topic;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

const TRANSACTIONS: &str = "/api/v1/transactions";

#[tokio::test]
async fn no_acknowledgement_is_503_by_the_deadline_and_then_all_is_well_again() {
    let gateway = Running::start_with(|config| {
        config.ack_timeout_ms = 200;
        config.retry_after_s = 7;
    })
    .await;
    assert_eq!(gateway.client.get("/health/ready").await.status, 200);
    gateway.log.set(Mode::Stall);
    let began = Instant::now();
    let answer = gateway.client.post_json(TRANSACTIONS, &transaction()).await;
    assert!((200..5_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(
        (answer.status, answer.header("retry-after"), &answer.json()["code"]),
        (503, Some("7"), &json!("retry"))
    );
    assert_eq!(answer.json()["errors"][0]["code"], "unavailable");
    let ready = gateway.client.get("/health/ready").await;
    assert_eq!((ready.status, ready.header("retry-after")), (503, Some("7")));
    assert_eq!(gateway.client.get("/health/live").await.status, 200);
    gateway.log.set(Mode::Acknowledge);
    assert_eq!(gateway.client.get("/health/ready").await.status, 200);
    assert_eq!(gateway.client.post_json(TRANSACTIONS, &transaction()).await.status, 202);
    gateway.stop().await;
}

#[tokio::test]
async fn a_batch_is_503_only_when_none_of_it_is_stored() {
    let gateway = Running::start().await;
    gateway.log.refuse_key("c-broken");
    let broken = |number: usize| with(numbered(number), json!({"customer_id": "c-broken"}));
    let mixed = gateway.client.post_json(TRANSACTIONS, &Json::from(vec![numbered(1), broken(2), broken(2)])).await;
    assert_eq!((mixed.status, mixed.statuses()), (207, ["accepted", "retry", "retry"].map(String::from).to_vec()));
    assert_eq!(mixed.json()["retry"], 2);
    let with_invalid = gateway.client.post_json(TRANSACTIONS, &json!([broken(3), {}])).await;
    assert_eq!((with_invalid.status, with_invalid.header("retry-after")), (503, Some("1")));
    assert_eq!(with_invalid.statuses(), ["retry", "invalid"]);
    gateway.stop().await;
}

#[tokio::test]
async fn memory_is_bounded_while_the_log_stalls() {
    let body = Json::from((0..100).map(numbered).collect::<Vec<_>>()).to_string();
    let gateway = Running::start_with(|config| {
        config.ack_timeout_ms = 60_000;
        config.body_max_bytes = body.len();
        config.decoded_max_bytes = body.len();
        // Room for three bodies and what is parsed from them.
        config.in_flight_max_bytes = body.len() * 17;
    })
    .await;
    gateway.log.set(Mode::Stall);
    let send = || {
        let (client, body) = (gateway.client.clone(), body.clone());
        tokio::spawn(async move { client.post(TRANSACTIONS, "application/json", body).await })
    };
    let waiting: Vec<_> = (0..3).map(|_| send()).collect();
    gateway.log.wait_for(Topic::Transactions, 300).await;
    let began = Instant::now();
    for early in join_all((0..20).map(|_| send())).await {
        let early = early.expect("no panic");
        assert_eq!(
            (early.status, early.header("retry-after"), &early.json()["code"]),
            (503, Some("1"), &json!("overloaded"))
        );
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(gateway.log.count(Topic::Transactions), 300);
    gateway.log.set(Mode::Acknowledge);
    for answer in join_all(waiting).await {
        assert_eq!(answer.expect("no panic").status, 202);
    }
    assert_eq!(gateway.client.post(TRANSACTIONS, "application/json", body.clone()).await.status, 202);
    gateway.stop().await;
}

#[tokio::test]
async fn requests_beyond_their_number_are_refused_at_once() {
    let gateway = Running::start_with(|config| config.requests_max = 1).await;
    gateway.log.set(Mode::Stall);
    let client = gateway.client.clone();
    let waiting = tokio::spawn(async move { client.post_json(TRANSACTIONS, &transaction()).await });
    gateway.log.wait_for(Topic::Transactions, 1).await;
    let large = json!({"note": "x".repeat(5 << 20)});
    let early = gateway.client.post_json(TRANSACTIONS, &large).await;
    assert_eq!((early.status, &early.json()["code"]), (503, &json!("overloaded")));
    assert_eq!(gateway.client.get("/health").await.status, 200);
    gateway.log.set(Mode::Acknowledge);
    assert_eq!(waiting.await.expect("no panic").status, 202);
    gateway.stop().await;
}
