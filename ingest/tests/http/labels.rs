//! Labels: what transactions turned out to be, under the contract of all other events.

use crate::support::{Answer, Running, label, with, xml};
use http::Method;
use millrace_schemas::{Topic, ids};
use serde_json::{Value as Json, json};

const LABELS: &str = "/api/v1/labels";

async fn post(gateway: &Running, content_type: &str, body: String) -> Answer {
    let headers = [("content-type", content_type), ("accept", "application/json")];
    gateway.client.send(Method::POST, LABELS, &headers, body).await
}

fn statuses(answer: &Answer) -> Vec<Json> {
    answer.json()["results"].as_array().expect("results").iter().map(|result| result["status"].clone()).collect()
}

#[tokio::test]
async fn a_label_is_accepted_with_its_transactions_id_across_systems() {
    let gateway = Running::start().await;
    let answer = gateway.client.post_json(LABELS, &label()).await;
    let (json, logged) = (answer.json(), gateway.log.last(Topic::Labels));
    assert_eq!(
        (answer.status, &json["status"], &json["customer_id"]),
        (202, &json!("accepted"), &json!("c-1")),
        "{json}"
    );
    assert_eq!(gateway.log.of(Topic::Labels)[0].key, "c-1");
    assert_eq!(logged["trn_id"], ids::trn_id(Topic::Transactions, "c-1", "t-1").to_string());
    let own = ids::label_id("t-1", "chargeback", "issuer-feed", 1_795_176_000_000).to_string();
    assert_eq!((&logged["label_id"], &json["label_id"]), (&json!(own), &json!(own)));
    assert_eq!(json["trn_id"], ids::trn_id(Topic::Labels, "c-1", &own).to_string());
    assert_eq!((&logged["decided_at"], &logged["label"]), (&json!(1_795_176_000_000_i64), &json!("chargeback")));
    gateway.stop().await;
}

#[tokio::test]
async fn the_same_statement_is_one_label_in_whatever_form_it_comes() {
    let gateway = Running::start().await;
    let first = post(&gateway, "application/json", label().to_string()).await.json();
    // A local time in the gateway's zone is the same instant.
    let local = with(label(), json!({"decided_at": "2026-11-20T13:00:00"}));
    for (content_type, body) in [
        ("application/json", label().to_string()),
        ("application/xml", xml("label", &label())),
        ("application/json", local.to_string()),
    ] {
        let again = post(&gateway, content_type, body).await;
        assert_eq!((again.status, &again.json()["status"]), (202, &json!("duplicate")), "{}", again.text);
        assert_eq!(again.json()["event_id"], first["event_id"]);
    }
    assert_eq!(gateway.log.count(Topic::Labels), 1);
    // Another opinion, or the same of somebody else, is another label.
    for other in
        [json!({"label": "fraud"}), json!({"source": "analyst"}), json!({"decided_at": "2026-11-20T12:00:01Z"})]
    {
        assert_eq!(gateway.client.post_json(LABELS, &with(label(), other)).await.json()["status"], "accepted");
    }
    assert_eq!(gateway.log.count(Topic::Labels), 4);
    gateway.stop().await;
}

#[tokio::test]
async fn a_labels_own_id_with_other_content_is_a_conflict() {
    let gateway = Running::start().await;
    let named = with(label(), json!({"label_id": "dispute-1"}));
    assert_eq!(gateway.client.post_json(LABELS, &named).await.status, 202);
    assert_eq!(gateway.client.post_json(LABELS, &named).await.json()["status"], "duplicate");
    let other = gateway.client.post_json(LABELS, &with(named, json!({"label": "legitimate"}))).await;
    assert_eq!((other.status, &other.json()["code"]), (409, &json!("conflict")));
    assert_eq!(gateway.log.last(Topic::DeadLetters)["target_topic"], "labels");
    gateway.stop().await;
}

#[tokio::test]
async fn many_labels_are_answered_item_by_item() {
    let gateway = Running::start().await;
    let of = |id: &str| with(label(), json!({"transaction_id": id}));
    let wrong = with(label(), json!({"label": "perhaps"}));
    let array = Json::from(vec![of("t-1"), wrong.clone(), of("t-2"), of("t-1")]);
    let answer = post(&gateway, "application/json", array.to_string()).await;
    assert_eq!(
        (answer.status, statuses(&answer)),
        (207, vec![json!("accepted"), json!("invalid"), json!("accepted"), json!("duplicate")])
    );
    let error = &answer.json()["results"][1]["errors"][0];
    assert_eq!((&error["path"], &error["code"]), (&json!("/1/label"), &json!("unknown_label")), "{error}");
    let lines = format!("{}\n{}\n", of("t-3"), of("t-4"));
    let answer = post(&gateway, "application/x-ndjson", lines).await;
    assert_eq!((answer.status, statuses(&answer)), (202, vec![json!("accepted"); 2]));
    let elements = format!("<labels>{}{}</labels>", xml("label", &of("t-5")), xml("label", &wrong));
    let answer = post(&gateway, "application/xml", elements).await;
    assert_eq!((answer.status, statuses(&answer)), (207, vec![json!("accepted"), json!("invalid")]));
    assert_eq!(gateway.log.count(Topic::Labels), 5);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_label_is_told_by_field() {
    let gateway = Running::start().await;
    for (fields, path, code) in [
        (json!({"label": null}), "/label", "missing"),
        (json!({"label": 1}), "/label", "wrong_type"),
        (json!({"label": "Fraud"}), "/label", "unknown_label"),
        (json!({"source": ""}), "/source", "empty"),
        (json!({"transaction_id": null}), "/transaction_id", "missing"),
        (json!({"decided_at": "2026-11-22T12:00:00Z"}), "/decided_at", "timestamp_in_future"),
        (json!({"decided_at": "yesterday"}), "/decided_at", "bad_timestamp"),
        (json!({"trn_id": "628f5a84-bf58-5573-ad50-e157f8addb72"}), "/trn_id", "wrong_trn_id"),
        (json!({"pan": "4111111111111111"}), "/pan", "card_data"),
    ] {
        let answer = gateway.client.post_json(LABELS, &with(label(), fields.clone())).await;
        let errors = &answer.json()["errors"];
        assert_eq!(answer.status, 422, "{fields}");
        assert_eq!(
            (&errors[0]["path"], &errors[0]["code"], errors.as_array().map(Vec::len)),
            (&json!(path), &json!(code), Some(1)),
            "{errors}"
        );
    }
    assert_eq!(gateway.log.count(Topic::Labels), 0);
    gateway.stop().await;
}
