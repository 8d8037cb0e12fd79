//! Every figure of the query API over generated receipts, against pandas over the file; some of it sent twice, in disorder, and into
//! hours whose figures had long been shown. And that whoever sends something can ask for figures that hold it.

use millrace_ingest::GatewayConfig;
use millrace_loadgen::receipts::Receipts;
use millrace_tests::{Deployment, Service, Services, oracle, services::binary};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Value as Json, json};
use std::{fs, process::Command, time::Instant};
use tokio::task::block_in_place;

/// Receipts over ten weeks, the end of Berlin's summer time among them.
const RECEIPTS: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_figure_of_generated_receipts_is_the_oracles_though_some_came_twice_late_and_in_disorder() {
    let deployment = Deployment::new("figures").await;
    // A gateway that remembers no ids leaves duplicates to the processor.
    let services = Services::of(&deployment, &["gateway.remembered_ids_max=0"]);
    services.start(&[Service::Gateway, Service::Receipts, Service::Projector]);
    let plain: Vec<String> = Receipts::new(6).take(RECEIPTS).map(|receipt| receipt.to_string()).collect();
    let mut random = StdRng::seed_from_u64(6);
    let mut disordered = plain.clone();
    disordered.extend(plain.iter().filter(|_| random.random_ratio(1, 20)).cloned());
    disordered.shuffle(&mut random);
    let file = services.folder().join("plain.ndjson");
    fs::write(&file, plain.join("\n")).expect("the folder can be written to");

    // The last tenth, from anywhere in the ten weeks, comes when everything before it can be asked for.
    let (timely, late) = disordered.split_at(disordered.len() / 10 * 9);
    for (name, part) in [("timely.ndjson", timely), ("late.ndjson", late)] {
        let sent = services.folder().join(name);
        fs::write(&sent, part.join("\n")).expect("the folder can be written to");
        let url = services.url(Service::Gateway);
        let mut send = Command::new(binary());
        send.args(["loadgen", "send", "--quiet", "--json", "--kind", "receipts", "--gateway", &url]).arg(&sent);
        let output = block_in_place(|| send.output()).expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Json = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["items"]["read"], json!(part.len()), "{report}");
        oracle::queryable(&deployment).await;
    }
    assert_eq!(deployment.value("SELECT count() FROM receipts").await, RECEIPTS.to_string());
    assert_ne!(deployment.value("SELECT count() FROM duplicates").await, "0");
    let compared = block_in_place(|| oracle::figures(&services.url(Service::Gateway), &file));
    assert_eq!((&compared["receipts"], &compared["differences"]), (&json!(RECEIPTS), &json!(0)));
    assert!(compared["compared"].as_u64().is_some_and(|compared| compared > 10_000), "{compared}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sent_a_receipt_can_ask_for_figures_that_hold_it() {
    let mut deployment = Deployment::new("own_writes").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    deployment.receipts();
    deployment.projector().await;
    let client = reqwest::Client::new();
    for round in 1..=5 {
        let receipt = json!({
            "transaction_id": format!("own-{round}"), "timestamp": "2026-03-01T12:00:00Z", "place_id": "own", "place_name": "Own",
            "items": [{"product_id": "a", "quantity": 1, "price": 10.99, "category": "c"}],
            "total_amount": 10.99, "payment_method": "cash", "currency": "EUR",
        });
        let sent = Instant::now();
        // The second is the first again: a record without an effect of its own is waited for as well.
        for _ in 0..2 {
            let stored = client.post(format!("{base}/api/v1/receipts")).json(&receipt).send().await.expect("an answer");
            let stored: Json = stored.json().await.expect("JSON");
            let position = format!("{}/{}", stored["partition"], stored["offset"]);
            let path =
                format!("{base}/api/v1/analytics/places?interval=all&place_id=own&wait_ms=10000&min_offset={position}");
            let answer = client.get(&path).send().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{path}");
            let answer: Json = answer.json().await.expect("JSON");
            assert_eq!(answer["rows"][0]["purchases"], json!(round), "{answer}");
            let source = &answer["as_of"]["sources"][0];
            let held = source["offsets"][stored["partition"].to_string()].as_i64().expect("an offset");
            // The second is told by what it repeats.
            assert!(held + 1 >= stored["offset"].as_i64().expect("an offset"), "{answer}");
            assert!(source["latest_at"].is_string() && source["topic"] == "receipts", "{answer}");
        }
        eprintln!("round {round}: visible {} ms after it was sent", sent.elapsed().as_millis());
    }
    for (asked, status, code) in
        [("0/1000000", 412, "behind"), ("receipts/0/1000000", 412, "behind"), ("x", 400, "bad_parameter")]
    {
        let path = format!("{base}/api/v1/analytics/places?min_offset={asked}");
        let answer = client.get(&path).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        let problem: Json = answer.json().await.expect("JSON");
        assert_eq!(problem["code"], code, "{problem}");
    }
    // The predecessor's paths, as its clients ask.
    for path in ["/api/consumer/places/", "/api/consumer/places", "/api/consumer/analytics/", "/api/consumer/analytics"]
    {
        let answer: Json =
            client.get(format!("{base}{path}")).send().await.expect("an answer").json().await.expect("JSON");
        let rows = answer["rows"].as_array().or_else(|| answer["places"].as_array()).map(Vec::len);
        assert_eq!(rows, Some(1), "{path}: {answer}");
    }
    deployment.stop().await;
}
