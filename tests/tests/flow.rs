//! From HTTP and from other people's Kafka clients to tables, on real services.

use millrace_ingest::GatewayConfig;
use millrace_schemas::event::{DeadLetter, Duplicate, Purchase, TransactionScore};
use millrace_schemas::{Event as _, Topic};
use millrace_tests::{Deployment, deployment::SOON, python, wait::until};
use serde_json::{Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
};

fn transaction(customer: &str, id: &str, amount: &str, at: &str) -> Json {
    json!({
        "customer_id": customer, "transaction_id": id, "amount": amount, "currency": "EUR", "type": 55,
        "merchant_id": "merchant-1", "card_bin": "411111", "ip_address": "203.0.113.7", "device_id": "device-1",
        "location": "Berlin", "channel": "online", "timestamp": at,
    })
}

fn receipt(place: &str, id: &str) -> Json {
    json!({
        "transaction_id": id, "timestamp": "2026-03-01T12:00:00Z", "place_id": place, "place_name": "Corner shop",
        "items": [
            {"product_id": "apples", "quantity": 2, "price": 10.99, "category": "groceries"},
            {"product_id": "cable", "quantity": 1, "price": 5.49, "category": "electronics"},
        ],
        "total_amount": 27.47, "nds_amount": 2.47, "tips_amount": 3.00, "payment_method": "credit_card", "currency": "EUR",
    })
}

async fn post(base: &str, path: &str, body: &Json) -> (u16, Json) {
    let response = reqwest::Client::new().post(format!("{base}{path}")).json(body).send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.expect("a JSON answer"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_posted_is_scored_or_split_and_queryable() {
    let mut deployment = Deployment::new("flow").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    deployment.scoring();
    deployment.receipts();
    deployment.projector().await;

    let (status, answer) =
        post(&base, "/api/v1/transactions?timeout_ms=10000", &transaction("c1", "t1", "10.00", "2026-03-01T10:00:00Z"))
            .await;
    assert_eq!((status, answer["trn_status"].as_str()), (200, Some("Ok")), "{answer}");
    assert_eq!((&answer["decision_source"], &answer["customer_transaction_count_24h"]), (&json!("rules"), &json!(1)));
    let second = transaction("c1", "t2", "20.00", "2026-03-01T11:00:00Z");
    let (status, answer) = post(
        &base,
        "/api/v1/transactions",
        &json!([second, second, transaction("c2", "t3", "-1", "2026-03-01T11:00:00Z")]),
    )
    .await;
    assert_eq!(status, 207, "{answer}");
    let statuses: Vec<&str> =
        answer["results"].as_array().expect("results").iter().filter_map(|r| r["status"].as_str()).collect();
    assert_eq!(statuses, ["accepted", "duplicate", "invalid"], "{answer}");
    let (status, answer) = post(&base, "/api/v1/receipts", &receipt("p1", "r1")).await;
    assert_eq!(status, 202, "{answer}");

    let scores = "SELECT count() FROM transaction_scores";
    until("scores in ClickHouse", SOON, || deployment.value(scores), |count| count == "2").await;
    let row = deployment.query("SELECT transaction_id, customer_transaction_count_24h, customer_avg_amount_24h FROM transaction_scores ORDER BY transaction_id").await;
    assert_eq!(
        row[1],
        json!({"transaction_id": "t2", "customer_transaction_count_24h": 2, "customer_avg_amount_24h": "15"})
    );
    until(
        "the receipt in ClickHouse",
        SOON,
        || deployment.value("SELECT count() FROM receipt_items"),
        |count| count == "2",
    )
    .await;
    until(
        "the refusal in ClickHouse",
        SOON,
        || deployment.value("SELECT count() FROM dead_letters WHERE code = 'negative_amount'"),
        |count| count == "1",
    )
    .await;
    until("the batch in ClickHouse", SOON, || deployment.value("SELECT count() FROM requests"), |count| count == "1")
        .await;
    deployment.stop().await;
}

/// Writes lines onto a topic with the official Python client.
fn produce(deployment: &Deployment, topic: Topic, lines: &[Json]) -> Vec<Json> {
    let mut command = python::script("clients/produce.py");
    command.args([&deployment.kafka.brokers, &deployment.registry.url, &deployment.topic(topic)]);
    let input: Vec<String> = lines.iter().map(Json::to_string).collect();
    let output = run_with_input(&mut command, &(input.join("\n") + "\n"));
    output.lines().map(|line| serde_json::from_str(line).expect("a position")).collect()
}

fn run_with_input(command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    child.stdin.take().expect("stdin").write_all(input.as_bytes()).expect("input is read");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A transaction as an Avro event, as a producer on Kafka makes it.
fn event(customer: &str, id: &str, amount: i64) -> Json {
    let now = 1_772_359_200_000_i64;
    json!({
        "event_id": format!("direct-{id}"), "occurred_at": now, "received_at": now, "customer_id": customer, "transaction_id": id,
        "amount": amount, "currency": "EUR", "type": 55, "merchant_id": "merchant-1", "card_bin": "411111",
        "ip_address": "203.0.113.7", "device_id": "device-1", "location": "Berlin", "channel": "online",
        "customer_segments": [], "time_resolution": "exact", "extra": {},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_python_client_produces_and_reads_beside_http() {
    let mut deployment = Deployment::new("python").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    deployment.scoring();
    deployment.receipts();

    let (status, answer) =
        post(&base, "/api/v1/transactions", &transaction("c1", "http-1", "1.00", "2026-03-01T10:00:00Z")).await;
    assert_eq!(status, 200, "{answer}");
    let mut wrong_owner = event("c1", "d4", 10);
    wrong_owner["customer_id"] = json!("c9");
    let mut card = event("c1", "d7", 10);
    card["extra"] = json!({"payment": "{\"cvv\": 123}"});
    let home = produce(&deployment, Topic::Transactions, &[json!({"key": "c1", "event": event("c1", "d1", 10)})])[0]["partition"].as_i64().expect("a partition");
    let lines = [
        json!({"key": "c1", "event": event("c1", "d1", 10)}),
        json!({"key": "c1", "event": event("c1", "d1", 11)}),
        json!({"key": "c1", "event": event("c1", "d2", -5)}),
        json!({"key": null, "event": event("c1", "d3", 10)}),
        json!({"key": "c1", "event": wrong_owner}),
        json!({"key": "c1", "event": event("c1", "d5", 10), "partition": (home + 1) % 3}),
        json!({"key": "c1", "text": "{\"amount\": 1}"}),
        json!({"key": "c1", "hex": "003b9aca0000"}),
        json!({"key": "c1", "hex": "00"}),
        json!({"key": "c1"}),
        json!({"key": "c1", "event": card}),
        json!({"key": "c1", "event": event("c1", "d6", 20)}),
    ];
    produce(&deployment, Topic::Transactions, &lines);
    let (status, _) = post(&base, "/api/v1/receipts", &receipt("p1", "r1")).await;
    assert_eq!(status, 202);
    // The gateway has not seen it, the processor has: the same record over HTTP is a duplicate in the log.
    let (status, _) =
        post(&base, "/api/v1/transactions", &json!([transaction("c1", "http-1", "1.00", "2026-03-01T10:00:00Z")]))
            .await;
    assert_eq!(status, 202);

    until("an outcome for every record", SOON, || deployment.read::<DeadLetter>(), |letters| letters.len() == 10).await;
    let scores = until("scores", SOON, || deployment.read::<TransactionScore>(), |scores| scores.len() == 3).await;
    let ids: BTreeSet<&str> = scores.iter().map(|score| score.transaction.transaction_id.as_str()).collect();
    assert_eq!(ids, BTreeSet::from(["http-1", "d1", "d6"]));
    let codes = deployment.read::<DeadLetter>().await.into_iter().fold(BTreeMap::new(), |mut codes, letter| {
        *codes.entry(letter.code).or_insert(0) += 1;
        codes
    });
    let expected = [
        "conflict",
        "negative_amount",
        "null_key",
        "key_mismatch",
        "wrong_partition",
        "unknown_schema",
        "null_value",
        "card_data",
    ];
    let mut expected: BTreeMap<String, i32> = expected.into_iter().map(|code| (code.to_owned(), 1)).collect();
    expected.insert("not_wire_format".to_owned(), 2);
    assert_eq!(codes, expected);
    let letters = deployment.read::<DeadLetter>().await;
    let card = letters.iter().find(|letter| letter.code == "card_data").expect("checked above");
    assert_eq!(card.payload, b"[not kept: card data]");
    assert_eq!(deployment.read::<Duplicate>().await.len(), 1);
    until("the purchase", SOON, || deployment.read::<Purchase>(), |purchases| purchases.len() == 1).await;
    deployment.stop().await;

    let topics: Vec<String> = Topic::ALL.iter().map(|topic| deployment.topic(*topic)).collect();
    let mut consume = python::script("clients/consume.py");
    consume
        .args([&deployment.kafka.brokers, &deployment.registry.url])
        .args(topics.iter().filter(|name| !name.ends_with(".transactions")));
    let read: Json = serde_json::from_str(&python::run(&mut consume)).expect("JSON");
    let purchase = &read[deployment.topic(Purchase::TOPIC)][0]["value"];
    assert_eq!(
        (purchase["receipt"]["total_amount"].as_i64(), purchase["items_total"].as_i64()),
        (Some(274_700), Some(274_700))
    );
    let score = &read[deployment.topic(TransactionScore::TOPIC)][0];
    assert_eq!((score["key"].as_str(), score["value"]["transaction"]["amount"].as_i64()), (Some("c1"), Some(10_000)));
    let versions = Topic::ALL.iter().map(|topic| topic.versions().len()).sum();
    assert_eq!(read[deployment.topic(Topic::Schemas)].as_array().map(Vec::len), Some(versions));
}
