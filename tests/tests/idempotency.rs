//! One effect for each id, whichever gateways it is sent to, however often, and through restarts and time-outs; and every answer of a
//! request becomes final.

use millrace_ingest::GatewayConfig;
use millrace_schemas::{Topic, event::TransactionScore};
use millrace_tests::{Deployment, deployment::SOON, wait::until};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Single transactions wait for their score, however long a processor takes to start.
const PATH: &str = "/api/v1/transactions?timeout_ms=10000";

fn transaction(number: usize, amount: &str) -> Json {
    json!({
        "customer_id": format!("c{}", number % 5), "transaction_id": format!("t{number}"), "amount": amount, "currency": "EUR",
        "type": 55, "merchant_id": "merchant-1", "card_bin": "411111", "ip_address": "203.0.113.7", "device_id": "device-1",
        "location": "Berlin", "channel": "online", "timestamp": "2026-03-01T10:00:00Z",
    })
}

/// Sends a body under a request id; the status and the answer.
async fn post(base: &str, request_id: &str, body: &Json) -> (u16, Json) {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.post(format!("{base}{PATH}")).header("x-request-id", request_id).json(body);
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// The answer of a request as soon as it is final.
async fn settled(base: &str, request_id: &str) -> Json {
    let url = format!("{base}/api/v1/requests/{request_id}?wait_ms=10000");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let ask = || async { client.get(&url).send().await.expect("an answer").json::<Json>().await.expect("JSON") };
    until("a final answer", SOON, ask, |answer| answer["final"] == true).await
}

fn outcomes(answer: &Json) -> Vec<String> {
    answer["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["outcome"].as_str().expect("an outcome").to_owned())
        .collect()
}

/// How often each id was scored.
async fn scored(deployment: &Deployment) -> BTreeMap<String, usize> {
    deployment.read::<TransactionScore>().await.into_iter().fold(BTreeMap::new(), |mut counts, score| {
        *counts.entry(score.transaction.transaction_id).or_default() += 1;
        counts
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_takes_effect_once_across_gateways_and_restarts_and_every_answer_becomes_final() {
    let mut deployment = Deployment::new("idempotency").await;
    let (left, right) =
        (deployment.gateway(GatewayConfig::default()).await, deployment.gateway(GatewayConfig::default()).await);
    deployment.scoring();
    deployment.projector().await;

    // The same ids to both gateways at the same time.
    let batch: Json = (0..40).map(|number| transaction(number, "10.99")).collect();
    let (one, other) = tokio::join!(post(&left, "left-1", &batch), post(&right, "right-1", &batch));
    assert_eq!((one.0, other.0), (202, 202), "{} {}", one.1, other.1);
    let (one, other) = (settled(&left, "left-1").await, settled(&left, "right-1").await);
    for (one, other) in outcomes(&one).iter().zip(&outcomes(&other)) {
        assert!(
            [one.as_str(), other].contains(&"scored") && [one.as_str(), other].contains(&"duplicate"),
            "{one} {other}"
        );
    }
    // Both know what they answered.
    assert_eq!(post(&left, "left-2", &transaction(7, "10.990")).await.1["status"], "duplicate");
    assert_eq!(post(&left, "left-3", &transaction(7, "11")).await.0, 409);
    assert_eq!(outcomes(&settled(&right, "left-2").await), ["duplicate"]);
    assert_eq!(outcomes(&settled(&right, "left-3").await), ["conflict"]);

    // Gateways that were started again know nothing; the processor does.
    deployment.stop().await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    deployment.scoring();
    deployment.projector().await;
    let (status, answer) = post(&base, "again-1", &transaction(3, "10.99")).await;
    assert_eq!((status, answer["status"].as_str()), (200, Some("duplicate")), "{answer}");
    let (status, _) =
        post(&base, "again-2", &json!([transaction(4, "99"), transaction(40, "1"), transaction(41, "-1")])).await;
    assert_eq!(status, 207);
    let again = settled(&base, "again-1").await;
    assert_eq!(
        (outcomes(&again), again["items"][0]["decision"].is_string()),
        (vec!["duplicate".to_owned()], true),
        "{again}"
    );
    let again = settled(&base, "again-2").await;
    assert_eq!(outcomes(&again), ["conflict", "scored", "invalid"], "{again}");
    assert_eq!(again["items"][0]["code"], "conflict", "{again}");

    // A gateway that gives up at once: its client does not know, and tries again elsewhere.
    let hasty = deployment.gateway(GatewayConfig { ack_timeout_ms: 0, ..GatewayConfig::default() }).await;
    let late: Json = (50..60).map(|number| transaction(number, "5")).collect();
    let (status, _) = post(&hasty, "hasty-1", &late).await;
    assert_eq!(status, 503);
    let (status, _) = post(&base, "patient-1", &late).await;
    assert_eq!(status, 202);
    let patient = settled(&base, "patient-1").await;
    let counts = until("scores of all", SOON, || scored(&deployment), |counts| counts.len() == 51).await;
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    let url = format!("{base}/api/v1/requests/hasty-1");
    let asked = || async { reqwest::get(&url).await.expect("an answer").json::<Json>().await.expect("JSON") };
    let told = |answer: &Json| answer["items"].as_array().is_some_and(|items| items.len() == 10);
    let hasty = until("what was stored of it", SOON, asked, told).await;
    for (index, (hasty, patient)) in outcomes(&hasty).iter().zip(&outcomes(&patient)).enumerate() {
        assert!(
            [hasty.as_str(), patient].contains(&"scored") && [hasty.as_str(), patient].contains(&"duplicate"),
            "{index}"
        );
    }
    let rows = "SELECT concat(toString(count()), ' ', toString(uniqExact(trn_id))) FROM transaction_scores";
    until("rows of all", SOON, || deployment.value(rows), |rows| rows == "51 51").await;
    let lag = deployment.log.lag("scoring", &[Topic::Transactions]).await.expect("lag").total();
    assert_eq!(lag, 0);
    deployment.stop().await;
}
