//! Clients that wait for the score of their transaction, on real services.

use millrace_ingest::GatewayConfig;
use millrace_runtime::{Headers, headers, producer::EventProducer};
use millrace_schemas::event::{DeadLetter, Duplicate, Reply, ReplyOutcome, Request, Transaction, TransactionScore};
use millrace_tests::{Deployment, deployment::SOON, wait::until};
use serde_json::{Map, Value as Json, json};

const PATH: &str = "/api/v1/transactions";
/// Longer than any start of a processor; a test that waits so long fails.
const PATIENT: &str = "?timeout_ms=10000";
/// What passes before a processor that does not run could answer, and not before the broker acknowledges.
const SHORT: &str = "?timeout_ms=1500";

fn transaction(customer: &str, id: &str, amount: &str) -> Json {
    json!({
        "customer_id": customer, "transaction_id": id, "amount": amount, "currency": "EUR", "type": 55,
        "merchant_id": "merchant-1", "card_bin": "411111", "ip_address": "203.0.113.7", "device_id": "device-1",
        "location": "Berlin", "channel": "online", "timestamp": "2026-03-01T10:00:00Z",
    })
}

struct Answer {
    status: u16,
    media_type: Option<String>,
    applied: Option<String>,
    text: String,
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

async fn send(base: &str, path: &str, sent: &[(&'static str, &str)], body: String) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request =
        sent.iter().fold(client.post(format!("{base}{path}")), |all, (name, value)| all.header(*name, *value));
    let answer = request.body(body).send().await.expect("an answer");
    let status = answer.status().as_u16();
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let (media_type, applied) = (header("content-type"), header("preference-applied"));
    Answer { status, media_type, applied, text: answer.text().await.expect("a body") }
}

async fn post(base: &str, query: &str, body: &Json) -> (u16, Json) {
    let answer = send(base, &format!("{PATH}{query}"), &[("content-type", "application/json")], body.to_string()).await;
    (answer.status, answer.json())
}

/// Every field that clients of the earlier scoring service read, and Millrace's own.
const FIELDS: &[&str] = &[
    "configuration",
    "customer_avg_amount_12h",
    "customer_avg_amount_24h",
    "customer_avg_amount_3h",
    "customer_avg_amount_6h",
    "customer_id",
    "customer_transaction_count_12h",
    "customer_transaction_count_24h",
    "customer_transaction_count_3h",
    "customer_transaction_count_6h",
    "decision",
    "decision_source",
    "event_id",
    "is_fraud",
    "model",
    "offset",
    "partition",
    "processed_at",
    "processing_time_ms",
    "reasons",
    "request_id",
    "scoring",
    "status",
    "timestamp",
    "transaction_id",
    "trn_id",
    "trn_status",
];

fn fields(answer: &Json) -> Vec<&str> {
    let mut names: Vec<&str> = answer.as_object().map(Map::keys).into_iter().flatten().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_transaction_is_answered_with_the_score_that_the_log_gets() {
    let mut deployment = Deployment::new("waiting").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    deployment.scoring();

    assert_eq!(post(&base, PATIENT, &transaction("c1", "t1", "10.00")).await.0, 200);
    let (status, answer) = post(&base, PATIENT, &transaction("c1", "t2", "20.01")).await;
    assert_eq!((status, fields(&answer)), (200, FIELDS.to_vec()), "{answer}");
    assert_eq!(answer["decision_source"], "rules", "{answer}");
    assert_eq!((&answer["customer_id"], &answer["transaction_id"]), (&json!("c1"), &json!("t2")));
    assert_eq!((&answer["trn_status"], &answer["status"]), (&json!("Ok"), &json!("accepted")));
    assert_eq!(answer["customer_transaction_count_24h"], 2);
    assert!(send(&base, PATH, &[], String::new()).await.status >= 400, "a body is still wanted");

    let scores = until("scores", SOON, || deployment.read::<TransactionScore>(), |scores| scores.len() == 2).await;
    let second = scores.iter().find(|score| score.transaction.transaction_id == "t2").expect("t2 is scored");
    assert_eq!(answer["scoring"].as_f64(), Some(second.scoring));
    assert_eq!(answer["is_fraud"].as_bool(), Some(answer["decision"] == "block"));
    assert_eq!(answer["reasons"], json!(second.reasons));
    assert_eq!(
        (answer["trn_id"].as_str(), answer["event_id"].as_str()),
        (Some(second.trn_id.as_str()), Some(second.transaction.event_id.as_str()))
    );
    assert_eq!(answer["customer_avg_amount_3h"].to_string(), "15.005");
    let replies = deployment.read::<Reply>().await;
    assert!(replies.iter().all(|reply| reply.outcome == ReplyOutcome::Scored && reply.slot == 0));
    assert_eq!(replies.len(), 2);

    // The same again, other content, XML, and no wish to wait.
    let (status, again) = post(&base, "", &transaction("c1", "t2", "20.010")).await;
    assert_eq!((status, &again["duplicate"], &again["status"]), (200, &json!(true), &json!("duplicate")), "{again}");
    for same in ["scoring", "decision", "event_id", "trn_id", "customer_transaction_count_24h", "offset", "timestamp"] {
        assert_eq!(again[same], answer[same], "{same}");
    }
    assert_eq!(post(&base, "", &transaction("c1", "t2", "99")).await.0, 409);
    let xml = format!("<transaction>{}</transaction>", elements(&transaction("c2", "x1", "5")));
    let answer = send(&base, &format!("{PATH}/{PATIENT}"), &[("content-type", "application/xml")], xml).await;
    assert_eq!((answer.status, answer.media_type.as_deref()), (200, Some("application/xml")), "{}", answer.text);
    assert!(answer.text.contains("<decision_source>rules</decision_source>"), "{}", answer.text);
    let asynchronous = [("content-type", "application/json"), ("prefer", "respond-async")];
    let answer = send(&base, PATH, &asynchronous, transaction("c2", "a1", "5").to_string()).await;
    assert_eq!((answer.status, answer.applied.as_deref()), (202, Some("respond-async")));
    assert_eq!(answer.json()["status"], "accepted");
    let (status, problem) = post(&base, "?timeout_ms=0", &transaction("c2", "b1", "5")).await;
    assert_eq!((status, &problem["code"]), (400, &json!("bad_parameter")), "{problem}");
    let (status, problem) = post(&base, "", &transaction("c2", "b1", "-5")).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!("negative_amount")), "{problem}");
    deployment.stop().await;
}

fn elements(object: &Json) -> String {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let all = object.as_object().into_iter().flatten();
    all.map(|(name, value)| format!("<{name}>{}</{name}>", text(value))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_asserts_of_fraud_changes_no_score() {
    let mut deployment = Deployment::new("asserted").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    deployment.scoring();
    let mut told = Vec::new();
    for (customer, is_fraud) in [("c1", json!(true)), ("c2", json!(false)), ("c3", Json::Null)] {
        let mut sent = transaction(customer, "t1", "950.00");
        sent["is_velocity_alert"] = json!(true);
        if !is_fraud.is_null() {
            sent["is_fraud"] = is_fraud;
        }
        let (status, mut answer) = post(&base, PATIENT, &sent).await;
        assert_eq!((status, &answer["decision_source"]), (200, &json!("rules")), "{answer}");
        for own in ["customer_id", "event_id", "trn_id", "request_id", "partition", "offset", "timestamp"] {
            answer[own] = Json::Null;
        }
        answer["processing_time_ms"] = Json::Null;
        answer["processed_at"] = Json::Null;
        told.push(answer);
    }
    assert!(!told[0]["reasons"].as_array().expect("reasons").is_empty(), "the alert is a reason: {}", told[0]);
    assert_eq!((&told[0], &told[0]), (&told[1], &told[2]));
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_score_in_time_the_default_is_answered_and_kept_and_the_score_follows() {
    let mut deployment = Deployment::new("default").await;
    let base = deployment.gateway(GatewayConfig::default()).await;

    let (status, answer) = post(&base, SHORT, &transaction("c1", "t1", "10.00")).await;
    assert_eq!(status, 200, "{answer}");
    let trn_id = answer["trn_id"].as_str().expect("an id").to_owned();
    let expected = json!({
        "scoring": 0.5, "decision": "review", "decision_source": "default", "is_fraud": null, "reasons": [], "model": null,
        "configuration": null, "customer_transaction_count_24h": null, "customer_avg_amount_24h": null, "status": "accepted",
        "trn_status": "Ok", "score_url": format!("/api/v1/transactions/{trn_id}/score"),
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&answer[name], value, "{name}");
    }
    assert!(answer["processing_time_ms"].as_f64().is_some_and(|ms| ms >= 1_500.0), "{answer}");
    let audits = until("the audit", SOON, || deployment.read::<Request>(), |requests| requests.len() == 1).await;
    assert_eq!((audits[0].code.as_deref(), audits[0].accepted), (Some("default_score"), 1));
    assert_eq!(audits[0].results[0].trn_id.as_deref(), Some(trn_id.as_str()));

    // The processor starts, its late reply is remembered, and the next who asks is told.
    deployment.scoring();
    let scores = until("the score", SOON, || deployment.read::<TransactionScore>(), |scores| scores.len() == 1).await;
    assert_eq!(scores[0].trn_id, trn_id);
    let (status, again) = post(&base, PATIENT, &transaction("c1", "t1", "10")).await;
    assert_eq!(
        (status, &again["decision_source"], &again["duplicate"]),
        (200, &json!("rules"), &json!(true)),
        "{again}"
    );
    assert_eq!(again["scoring"].as_f64(), Some(scores[0].scoring));

    // One that is restarted meanwhile answers again.
    deployment.stop_last().await;
    let (_, answer) = post(&base, SHORT, &transaction("c2", "t1", "1")).await;
    assert_eq!(answer["decision_source"], "default");
    deployment.scoring();
    let (_, answer) = post(&base, PATIENT, &transaction("c1", "t2", "1")).await;
    assert_eq!((&answer["decision_source"], &answer["customer_transaction_count_24h"]), (&json!("rules"), &json!(2)));
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_gateway_is_told_of_its_own_and_knows_what_the_processor_knows() {
    let mut deployment = Deployment::new("gateways").await;
    let slot = |slot| GatewayConfig { slot, ..GatewayConfig::default() };
    // Two share a partition of the replies, since there are three.
    let (left, right) = (deployment.gateway(slot(1)).await, deployment.gateway(slot(4)).await);
    deployment.scoring();
    deployment.projector().await;
    assert_eq!(post(&left, PATIENT, &transaction("c0", "first", "1")).await.0, 200);
    let many = (0..40).map(|number| {
        let base = if number % 2 == 0 { left.clone() } else { right.clone() };
        async move { post(&base, "?timeout_ms=5000", &transaction(&format!("c{number}"), "t1", "1")).await }
    });
    let answers = futures::future::join_all(many).await;
    assert!(
        answers.iter().all(|(status, answer)| *status == 200 && answer["decision_source"] == "rules"),
        "{answers:?}"
    );
    let replies = deployment.read::<Reply>().await;
    let of = |slot| replies.iter().filter(|reply| reply.slot == slot).count();
    assert_eq!((of(1), of(4)), (21, 20));

    // A gateway that has not seen an id is told of it by the processor.
    let (status, problem) = post(&right, PATIENT, &transaction("c0", "first", "2")).await;
    assert_eq!((status, &problem["errors"][0]["code"]), (409, &json!("conflict")), "{problem}");
    let letters = until("its letter", SOON, || deployment.read::<DeadLetter>(), |letters| !letters.is_empty()).await;
    assert_eq!((letters.len(), letters[0].code.as_str(), letters[0].source_offset.is_some()), (1, "conflict", true));
    let audits = until("its audit", SOON, || deployment.read::<Request>(), |requests| !requests.is_empty()).await;
    assert_eq!((audits[0].http_status, audits[0].rejected), (409, 1));
    // It does not remember the refused content as the first: this one is stored, and told as the duplicate it is.
    // Its score was told by the other, so it is read from the tables.
    let (status, answer) = post(&right, PATIENT, &transaction("c0", "first", "1")).await;
    assert_eq!((status, &answer["duplicate"]), (200, &json!(true)), "{answer}");
    assert_eq!((&answer["decision_source"], &answer["customer_transaction_count_3h"]), (&json!("rules"), &json!(1)));
    let duplicates = until("it", SOON, || deployment.read::<Duplicate>(), |found| !found.is_empty()).await;
    assert_eq!((duplicates.len(), answer["offset"].as_i64()), (1, Some(duplicates[0].first_offset)));

    // Whoever writes such a header by itself harms nobody.
    let producer = EventProducer::connect(&deployment.log, "stranger").await.expect("schemas");
    let mut event: Transaction = deployment.read::<TransactionScore>().await.remove(0).transaction;
    for (number, to) in ["1/nobody", "-7/x", "2147483647/y", "no", ""].into_iter().enumerate() {
        event.transaction_id = format!("stranger-{number}");
        producer.append(&event, Headers::new().with(headers::REPLY_TO, to)).await.expect("stored");
    }
    let (_, answer) = post(&left, PATIENT, &transaction("c0", "last", "1")).await;
    assert_eq!(answer["decision_source"], "rules", "{answer}");
    let scored = until("all", SOON, || deployment.read::<TransactionScore>(), |scores| scores.len() == 47).await;
    assert_eq!(scored.len(), 47);
    deployment.stop().await;
}
