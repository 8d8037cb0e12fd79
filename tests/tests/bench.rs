//! `millrace bench score`: what it counts, and that it leaves nothing but transactions.

use millrace_schemas::event::Transaction;
use millrace_tests::{Deployment, Service, Services, deployment::SOON, python, wait::until};
use nix::{sys::signal, unistd::Pid};
use serde_json::Value as Json;
use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};
use tokio::task::block_in_place;

/// A gateway and a scorer, and the command on them.
async fn started(name: &str) -> (Deployment, Services) {
    let deployment = Deployment::new(name).await;
    let services = Services::of(&deployment, &[]);
    services.start(&[Service::Gateway, Service::Scoring]);
    (deployment, services)
}

fn bench(services: &Services, more: &[&str]) -> Command {
    let mut command = services.command(&["bench", "score", "--json"]);
    command.args(["--gateway", &services.url(Service::Gateway)]).args(more);
    command
}

/// Topics of round trips.
fn left_over(deployment: &Deployment) -> Vec<String> {
    let prefix = format!("{}bench-", deployment.kafka.topic_prefix);
    let mut script = python::script("clients/topics.py");
    let names = block_in_place(|| python::run(script.args([&deployment.kafka.brokers, &prefix])));
    names.lines().map(ToOwned::to_owned).collect()
}

async fn until_topics(deployment: &Deployment, count: usize) {
    until("topics of the round trip", SOON, || async { left_over(deployment) }, |topics| topics.len() == count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_sent_is_counted_once() {
    let (deployment, services) = started("bench").await;
    let mut command = bench(&services, &["--rate", "50", "--seconds", "2", "--warm-up", "1"]);
    let output = block_in_place(|| command.output()).expect("it runs");
    let report: Json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let number = |of: &Json, name: &str| of[name].as_u64().unwrap_or_else(|| panic!("{name}: {report}"));
    let sum = |counts: &Json| {
        let counts = counts.as_object().unwrap_or_else(|| panic!("counts: {report}"));
        counts.values().filter_map(Json::as_u64).sum::<u64>()
    };

    // On a machine that is busy with other tests the gateway may refuse some; none is left out.
    let answers = &report["answers"];
    let [sent, taken, refused, unanswered] =
        ["sent", "taken", "refused", "unanswered"].map(|name| number(answers, name));
    assert_eq!((sent, taken + refused + unanswered), (100, 100), "{report}");
    assert_eq!((sum(&answers["statuses"]), sum(&answers["failures"])), (taken + refused, unanswered), "{report}");
    let with_status = |status: &str| answers["statuses"][status].as_u64().unwrap_or(0);
    assert_eq!(taken, with_status("200") + with_status("202"), "{report}");
    assert_eq!(sum(&answers["decision_sources"]), with_status("200"), "{report}");
    assert_eq!(number(answers, "defaults"), answers["decision_sources"]["default"].as_u64().unwrap_or(0), "{report}");
    assert_eq!(report["waits_for_scores"], Json::from(with_status("200") > 0), "{report}");
    let trip = &report["round_trip"];
    let lost = number(trip, "lost");
    assert_eq!((number(trip, "sent"), number(trip, "returned") + lost), (100, 100), "{report}");
    let is_complete = refused + unanswered + lost == 0;
    assert_eq!(output.status.code(), Some(if is_complete { 0 } else { 1 }), "{report}");
    assert!(taken > 0 && lost < 100, "{report}");
    for quantiles in [&answers["latency_ms"], &trip["latency_ms"], &report["ratio"]] {
        let values = ["p50", "p90", "p99", "p99.9", "max"].map(|name| quantiles[name].as_f64().expect("a number"));
        assert!(values[0] > 0.0, "{report}");
    }
    for latencies in [&answers["latency_ms"], &trip["latency_ms"]] {
        let values = ["p50", "p90", "p99", "p99.9", "max"].map(|name| latencies[name].as_f64().expect("a number"));
        assert!(values.is_sorted(), "{report}");
    }

    // The log has what was taken, and what went out in the second of warming up; the round trip went past it.
    let logged = deployment.read::<Transaction>().await;
    let ids: BTreeSet<&str> = logged.iter().map(|transaction| transaction.transaction_id.as_str()).collect();
    assert_eq!(ids.len(), logged.len());
    assert!((taken..=150).contains(&(logged.len() as u64)), "{} in the log: {report}", logged.len());
    until_topics(&deployment, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_run_deletes_its_topics() {
    let (deployment, services) = started("bench_interrupted").await;
    let mut run =
        bench(&services, &["--rate", "20", "--seconds", "600"]).stdout(Stdio::null()).spawn().expect("it runs");
    until_topics(&deployment, 2).await;
    until("transactions", SOON, || async { deployment.read::<Transaction>().await.len() }, |count| *count > 0).await;
    signal::kill(Pid::from_raw(run.id().cast_signed()), signal::Signal::SIGINT).expect("it is alive");
    let status = block_in_place(|| run.wait()).expect("it ends");
    assert_eq!(status.code(), Some(130));
    until_topics(&deployment, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_not_there_is_said_so_at_once() {
    let deployment = Deployment::new("bench_nowhere").await;
    let services = Services::of(&deployment, &[]);
    let output = block_in_place(|| bench(&services, &[]).output()).expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("is not ready") && said.contains("millrace up"), "{said}");
    assert_eq!(left_over(&deployment), [""; 0]);
}
