//! Labels from HTTP and from other producers to their table, on real services.

use millrace_ingest::GatewayConfig;
use millrace_schemas::event::{DeadLetter, Label};
use millrace_tests::{Deployment, deployment::SOON, wait::until};
use serde_json::{Value as Json, json};

const KINDS: [&str; 3] = ["fraud", "legitimate", "chargeback"];

/// The `number`th of many labels, each of another transaction.
fn label(number: usize) -> Json {
    json!({
        "customer_id": format!("customer-{}", number % 7), "transaction_id": format!("txn-{number}"),
        "label": KINDS[number % 3], "source": "issuer-feed", "decided_at": format!("2026-03-0{}T10:00:00Z", 1 + number % 9),
    })
}

async fn post(base: &str, content_type: &str, body: String) -> (u16, Json) {
    let request = reqwest::Client::new().post(format!("{base}/api/v1/labels")).header("content-type", content_type);
    let response = request.header("accept", "application/json").body(body).send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("a JSON answer"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_are_queryable_once_and_as_they_were_sent() {
    let mut deployment = Deployment::new("labels").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    deployment.projector().await;

    let (status, answer) = post(&base, "application/json", label(0).to_string()).await;
    assert_eq!((status, &answer["status"]), (202, &json!("accepted")), "{answer}");
    let array = Json::from((0..60).map(label).collect::<Vec<_>>());
    let (status, answer) = post(&base, "application/json", array.to_string()).await;
    assert_eq!((status, &answer["accepted"], &answer["duplicates"]), (202, &json!(59), &json!(1)), "{answer}");
    let lines: String = (60..100).map(|number| format!("{}\n", label(number))).collect();
    let (status, answer) = post(&base, "application/x-ndjson", lines).await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(40)), "{answer}");
    let xml = "<label><customer_id>customer-2</customer_id><transaction_id>txn-100</transaction_id><label>legitimate</label>\
               <source>issuer-feed</source><decided_at>2026-03-02T10:00:00Z</decided_at></label>";
    assert_eq!(post(&base, "application/xml", xml.to_owned()).await.0, 202);

    let count = "SELECT toString(count()) AS rows FROM labels";
    let rows = || async { deployment.query(count).await[0]["rows"].as_str().map(str::to_owned) };
    until("all labels", SOON, rows, |rows| rows.as_deref() == Some("101")).await;
    let sql = "SELECT customer_id, transaction_id, label, source, formatDateTime(decided_at, '%Y-%m-%dT%H:%i:%SZ') AS decided_at \
               FROM labels ORDER BY toUInt32(substring(transaction_id, 5))";
    assert_eq!(deployment.query(sql).await, (0..=100).map(label).collect::<Vec<_>>());

    // Offsets, keys and partitions are those of the topic: every record has one row.
    let mut logged: Vec<(String, String)> =
        deployment.read::<Label>().await.into_iter().map(|label| (label.event_id, label.trn_id)).collect();
    let sql = "SELECT toString(event_id) AS event_id, toString(trn_id) AS trn_id FROM labels ORDER BY event_id";
    let text = |row: &Json, name: &str| row[name].as_str().expect("text").to_owned();
    let rows: Vec<(String, String)> =
        deployment.query(sql).await.iter().map(|row| (text(row, "event_id"), text(row, "trn_id"))).collect();
    logged.sort();
    assert_eq!(rows, logged);
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_that_a_producer_got_wrong_is_a_dead_letter_and_the_others_go_on() {
    let mut deployment = Deployment::new("wrong_labels").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    assert_eq!(post(&base, "application/json", label(0).to_string()).await.0, 202);
    let good = deployment.read::<Label>().await.remove(0);
    let wrong = Label { trn_id: good.event_id.clone(), label_id: "wrong".into(), ..good };
    let events = millrace_runtime::producer::EventProducer::connect(&deployment.log, "direct").await.expect("schemas");
    events.append(&wrong, millrace_runtime::Headers::new()).await.expect("appended");
    assert_eq!(post(&base, "application/json", label(7).to_string()).await.0, 202);

    deployment.projector().await;
    let count = "SELECT toString(count()) AS rows FROM labels";
    let rows = || async { deployment.query(count).await[0]["rows"].as_str().map(str::to_owned) };
    until("the good labels", SOON, rows, |rows| rows.as_deref() == Some("2")).await;
    let letters = deployment.read::<DeadLetter>().await;
    let told: Vec<(&str, Option<&str>)> =
        letters.iter().map(|letter| (letter.code.as_str(), letter.source_topic.as_deref())).collect();
    assert_eq!(told, [("wrong_trn_id", Some("labels"))]);
    deployment.stop().await;
}
