//! The same id again: a duplicate with the same content, a conflict with other content.

use crate::support::{Mode, NOW, Running, transaction, with, xml};
use millrace_schemas::Topic;
use serde_json::json;

const TRANSACTIONS: &str = "/api/v1/transactions";

#[tokio::test]
async fn the_same_content_again_is_answered_with_the_first_and_not_written() {
    let gateway = Running::start().await;
    let first = gateway.client.post_json(TRANSACTIONS, &transaction()).await.json();
    gateway.clock.set(NOW + 60_000);
    let headers = [("content-type", "application/xml"), ("accept", "application/json")];
    let again =
        gateway.client.send(http::Method::POST, TRANSACTIONS, &headers, xml("transaction", &transaction())).await;
    let json = again.json();
    assert_eq!(
        (again.status, &json["status"], &json["duplicate"], &json["trn_status"]),
        (202, &json!("duplicate"), &json!(true), &json!("Ok"))
    );
    for field in ["event_id", "trn_id", "timestamp", "partition", "offset"] {
        assert_eq!(json[field], first[field], "{field}");
    }
    assert_eq!(gateway.log.count(Topic::Transactions), 1);
    let trace = gateway.log.last(Topic::Requests);
    assert_eq!((&trace["duplicates"], &trace["results"][0]["status"]), (&json!(1), &json!("duplicate")));
    gateway.stop().await;
}

#[tokio::test]
async fn other_content_is_a_conflict_and_kept_as_a_dead_letter() {
    let gateway = Running::start().await;
    let first = gateway.client.post_json(TRANSACTIONS, &transaction()).await.json();
    let other = with(transaction(), json!({"amount": 11}));
    let answer = gateway.client.post_json(TRANSACTIONS, &other).await;
    let json = answer.json();
    assert_eq!((answer.status, &json["code"], &json["trn_status"]), (409, &json!("conflict"), &json!("Error")));
    assert_eq!(json["trn_id"], first["trn_id"]);
    assert_eq!(gateway.log.count(Topic::Transactions), 1);
    let letter = gateway.log.last(Topic::DeadLetters);
    assert_eq!((&letter["code"], &letter["target_topic"]), (&json!("conflict"), &json!("transactions")));
    assert_eq!(gateway.log.of(Topic::DeadLetters)[0].key, "c-1");
    gateway.stop().await;
}

#[tokio::test]
async fn an_id_is_free_again_after_the_horizon() {
    let gateway = Running::start_with(|config| config.remembered_ms = 1_000).await;
    gateway.client.post_json(TRANSACTIONS, &transaction()).await;
    gateway.clock.set(NOW + 1_001);
    let again = gateway.client.post_json(TRANSACTIONS, &with(transaction(), json!({"amount": 11}))).await;
    assert_eq!((again.status, gateway.log.count(Topic::Transactions)), (202, 2));
    gateway.stop().await;
}

#[tokio::test]
async fn an_id_is_remembered_only_once_it_is_acknowledged() {
    let gateway = Running::start_with(|config| config.ack_timeout_ms = 50).await;
    gateway.log.set(Mode::Stall);
    assert_eq!(gateway.client.post_json(TRANSACTIONS, &transaction()).await.status, 503);
    gateway.log.set(Mode::Acknowledge);
    let retried = gateway.client.post_json(TRANSACTIONS, &transaction()).await;
    assert_eq!((retried.status, &retried.json()["status"]), (202, &json!("accepted")));
    gateway.stop().await;
}
