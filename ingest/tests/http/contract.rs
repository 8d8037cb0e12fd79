//! Answers to good requests, in both formats.

use crate::support::{Answer, Running, numbered, receipt, transaction, with, xml};
use http::Method;
use insta::assert_snapshot;
use millrace_schemas::Topic;
use serde_json::{Value as Json, json};
use std::io::Write as _;

const TRANSACTIONS: &str = "/api/v1/transactions";
const RECEIPTS: &str = "/api/v1/receipts";
const CHECKS: &str = "/api/producer/checks/";

async fn post(gateway: &Running, path: &str, content_type: &str, body: String) -> Answer {
    gateway
        .client
        .send(Method::POST, path, &[("content-type", content_type), ("x-request-id", "request-1")], body)
        .await
}

/// A JSON answer with its event ids, which differ, replaced.
fn pretty(answer: &Answer) -> String {
    fn replace(value: &mut Json) {
        match value {
            Json::Object(fields) => {
                for (name, field) in fields {
                    if name == "event_id" {
                        assert_eq!(field.as_str().map(str::len), Some(36));
                        *field = json!("[uuid]");
                    }
                    replace(field);
                }
            }
            Json::Array(entries) => entries.iter_mut().for_each(replace),
            _ => {}
        }
    }
    let mut json = answer.json();
    replace(&mut json);
    format!("{json:#}")
}

/// An XML answer with its event id, which differs, replaced.
fn shown(answer: &Answer) -> String {
    let (before, rest) = answer.text.split_once("<event_id>").expect("an event id");
    let (id, after) = rest.split_once("</event_id>").expect("an event id");
    assert_eq!(id.len(), 36);
    format!("{before}<event_id>[uuid]</event_id>{after}").replace("><", ">\n<")
}

#[tokio::test]
async fn a_transaction_is_accepted() {
    let gateway = Running::start().await;
    let answer = post(&gateway, TRANSACTIONS, "application/json", transaction().to_string()).await;
    assert_eq!((answer.status, answer.header("content-type")), (202, Some("application/json")));
    assert_snapshot!(pretty(&answer));
    assert_eq!(gateway.log.last(Topic::Transactions)["event_id"], answer.json()["event_id"]);
    assert_eq!(gateway.log.of(Topic::Transactions)[0].key, "c-1");
    assert_eq!(gateway.log.count(Topic::Requests), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn xml_is_answered_in_xml() {
    let gateway = Running::start().await;
    let accepted = post(&gateway, TRANSACTIONS, "application/xml", xml("transaction", &transaction())).await;
    assert_eq!((accepted.status, accepted.header("content-type")), (202, Some("application/xml")));
    assert_snapshot!(shown(&accepted));
    let refused =
        post(&gateway, TRANSACTIONS, "text/xml", xml("transaction", &with(transaction(), json!({"amount": -1})))).await;
    assert_eq!((refused.status, refused.header("content-type")), (422, Some("application/problem+xml")));
    assert_snapshot!(refused.text.replace("><", ">\n<"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_receipt_is_accepted_and_the_old_path_answers_it_as_stored() {
    let gateway = Running::start().await;
    let answer = post(&gateway, RECEIPTS, "application/json", receipt().to_string()).await;
    assert_eq!(answer.status, 202);
    assert_snapshot!("receipt_accepted", pretty(&answer));
    let known = with(receipt(), json!({"transaction_id": "r-2", "cashier": {"name": "Ada", "till": 7}}));
    let created = post(&gateway, CHECKS, "application/json", known.to_string()).await;
    assert_eq!(created.status, 201);
    assert_snapshot!("receipt_created", pretty(&created));
    let again =
        post(&gateway, CHECKS, "application/xml", xml("receipt", &with(receipt(), json!({"transaction_id": "r-1"}))))
            .await;
    assert_eq!(again.status, 201);
    assert_snapshot!("receipt_created_again_in_xml", shown(&again));
    gateway.stop().await;
}

#[tokio::test]
async fn a_mixed_batch_is_answered_item_by_item_in_order() {
    let gateway = Running::start().await;
    let items =
        [numbered(1), with(numbered(2), json!({"amount": "x"})), numbered(1), with(numbered(1), json!({"amount": 1}))];
    let answer = post(&gateway, TRANSACTIONS, "application/json", Json::from(items.to_vec()).to_string()).await;
    assert_eq!(answer.status, 207);
    assert_snapshot!(pretty(&answer));
    let envelope = format!("<transactions>{}</transactions>", xml("transaction", &numbered(2)));
    let answer = post(&gateway, TRANSACTIONS, "application/xml", envelope).await;
    assert_eq!(answer.status, 202);
    assert_snapshot!(shown(&answer));
    gateway.stop().await;
}

#[tokio::test]
async fn a_trailing_slash_makes_no_difference() {
    let gateway = Running::start().await;
    for (number, path) in [TRANSACTIONS, "/api/v1/transactions/"].into_iter().enumerate() {
        assert_eq!(gateway.client.post_json(path, &numbered(number)).await.status, 202, "{path}");
    }
    for (number, (path, status)) in
        [(RECEIPTS, 202), ("/api/v1/receipts/", 202), (CHECKS, 201), ("/api/producer/checks", 201)]
            .into_iter()
            .enumerate()
    {
        let one = with(receipt(), json!({"transaction_id": number.to_string()}));
        assert_eq!(gateway.client.post_json(path, &one).await.status, status, "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn compressed_bodies_and_lines_are_read() {
    let gateway = Running::start().await;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(numbered(1).to_string().as_bytes()).expect("in memory");
    let zstd = zstd::encode_all(numbered(2).to_string().as_bytes(), 3).expect("in memory");
    for (encoding, body) in [("gzip", gzip.finish().expect("in memory")), ("zstd", zstd)] {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        assert_eq!(gateway.client.send(Method::POST, TRANSACTIONS, &headers, body).await.status, 202, "{encoding}");
    }
    let lines = format!("{}\n\n{}\n", numbered(3), numbered(4));
    let answer = post(&gateway, TRANSACTIONS, "application/x-ndjson", lines).await;
    assert_eq!((answer.status, answer.json()["accepted"].clone()), (202, json!(2)));
    assert_eq!(gateway.log.count(Topic::Transactions), 4);
    gateway.stop().await;
}

#[tokio::test]
async fn the_answer_is_in_the_format_that_is_asked_for() {
    let gateway = Running::start().await;
    let headers = [("content-type", "application/json"), ("accept", "application/xml")];
    let answer = gateway.client.send(Method::POST, TRANSACTIONS, &headers, transaction().to_string()).await;
    assert_eq!((answer.status, answer.header("content-type")), (202, Some("application/xml")));
    let headers = [("content-type", "application/xml"), ("accept", "application/json")];
    let answer = gateway.client.send(Method::POST, TRANSACTIONS, &headers, "<transaction>").await;
    assert_eq!((answer.status, answer.header("content-type")), (400, Some("application/problem+json")));
    gateway.stop().await;
}

#[tokio::test]
async fn a_local_time_that_is_not_exact_is_said_to_be() {
    let gateway = Running::start().await;
    for (number, (time, resolution, utc)) in [
        ("2026-10-25T02:30:00", json!("ambiguous_earlier"), "2026-10-25T00:30:00.000Z"),
        ("2026-03-29T02:30:00", json!("gap_forward"), "2026-03-29T01:30:00.000Z"),
        ("2026-07-01T12:00:00", Json::Null, "2026-07-01T10:00:00.000Z"),
    ]
    .into_iter()
    .enumerate()
    {
        let one = with(receipt(), json!({"transaction_id": number.to_string(), "timestamp": time}));
        let answer = gateway.client.post_json(CHECKS, &one).await.json();
        assert_eq!((&answer["timestamp_resolution"], &answer["timestamp"]), (&resolution, &json!(utc)), "{time}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_large_batch_keeps_its_order_in_the_log_and_in_the_answer() {
    let gateway = Running::start().await;
    let items: Vec<Json> = (0..5_000).map(numbered).collect();
    let answer = gateway.client.post_json(TRANSACTIONS, &Json::from(items)).await;
    let answer = answer.json();
    assert_eq!(answer["accepted"], 5_000);
    let results = answer["results"].as_array().expect("results");
    for (number, (result, logged)) in results.iter().zip(gateway.log.of(Topic::Transactions)).enumerate() {
        let id = format!("t-{number}");
        assert_eq!(
            (result["index"].as_u64(), result["transaction_id"].as_str()),
            (Some(number as u64), Some(id.as_str()))
        );
        assert_eq!(
            (result["offset"].as_u64(), logged.event["transaction_id"].as_str()),
            (Some(number as u64), Some(id.as_str()))
        );
    }
    gateway.stop().await;
}
