//! Rules, thresholds and lists are changed through the log while transactions come in, and the log says what decided each of them.

use millrace_schemas::event::{ProcessorEpoch, TransactionScore};
use millrace_tests::{Deployment, Service, Services, deployment::SOON, wait::until};
use serde_json::{Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::task::JoinSet;

fn thresholds(review: f64) -> String {
    format!("[thresholds]\nreview = {review}\nblock = 0.95\n")
}

/// Runs a command of the binary to its end, with a text for its standard input's file.
fn run(services: &Services, words: &[&str], content: Option<&str>) -> Output {
    let mut command = services.command(words);
    if let Some(content) = content {
        let file = services.folder().join("content.toml");
        std::fs::write(&file, content).expect("written");
        command.arg(file);
    }
    command.output().expect("the binary starts")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// What one client was told of its transactions: by id, configuration and score.
type Told = BTreeMap<String, (String, f64)>;

/// Posts transactions of one customer, one after another, until it is told to stop.
async fn client(base: String, customer: usize, ends: Arc<AtomicBool>) -> Told {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut told = Told::new();
    for number in 0.. {
        if ends.load(Ordering::Relaxed) {
            break;
        }
        let body = json!({
            "customer_id": format!("c{customer}"), "transaction_id": number.to_string(), "amount": "12.50",
            "currency": "EUR", "type": 55, "merchant_id": "m1", "card_bin": "411111", "ip_address": "203.0.113.7",
            "device_id": "d1", "location": "Berlin", "channel": "online",
            "timestamp": format!("2026-03-{:02}T{:02}:{:02}:00Z", 1 + number / 1440, number / 60 % 24, number % 60),
        });
        let request = http.post(format!("{base}/api/v1/transactions?timeout_ms=500")).json(&body);
        let Ok(answer) = request.send().await else { continue };
        if answer.status().as_u16() != 200 {
            continue;
        }
        let answer: Json = answer.json().await.expect("JSON");
        if answer["decision_source"] == "rules" && answer["duplicate"] != true {
            let configuration = answer["configuration"].as_str().expect("a version").to_owned();
            told.insert(format!("c{customer}/{number}"), (configuration, answer["scoring"].as_f64().expect("a score")));
        }
    }
    told
}

/// Scores that were decided by something else than the log says of their offsets, by partition and offset.
async fn contradictions(deployment: &Deployment) -> BTreeSet<(i32, i64)> {
    let mut epochs: BTreeMap<i32, BTreeMap<i64, String>> = BTreeMap::new();
    for epoch in deployment.read::<ProcessorEpoch>().await {
        // Of two at one offset, nothing was decided by the first.
        epochs.entry(epoch.partition).or_default().insert(epoch.from_offset, epoch.basis["configuration"].clone());
    }
    let scores = deployment.read::<TransactionScore>().await;
    assert!(!scores.is_empty());
    let decided_otherwise = scores.iter().filter(|score| {
        let epochs = epochs.get(&score.source.partition);
        let epoch = epochs.and_then(|epochs| epochs.range(..=score.source.offset).next_back());
        epoch.is_none_or(|(_, configuration)| *configuration != score.configuration)
    });
    decided_otherwise.map(|score| (score.source.partition, score.source.offset)).collect()
}

struct Bench {
    deployment: Deployment,
    services: Services,
}

impl Bench {
    async fn new(name: &str, sabotage: Option<&str>) -> Self {
        let deployment = Deployment::new(name).await;
        let services = Services::of(&deployment, &["gateway.score_timeout_max_ms=5000"]);
        let services = match sabotage {
            Some(what) => services.with_env("MILLRACE_SABOTAGE", what),
            None => services,
        };
        services.start(&[Service::Gateway, Service::Scoring]);
        Self { deployment, services }
    }

    /// Applies thresholds; the configuration's version then.
    fn apply(&self, review: f64) -> String {
        let said = said(&run(&self.services, &["thresholds", "apply"], Some(&thresholds(review))));
        said.split([' ', ',']).nth(2).expect("a version").to_owned()
    }

    /// Waits until scores name a version.
    async fn wait_for(&self, version: &str) {
        let versions = || async {
            let scores = self.deployment.read::<TransactionScore>().await;
            scores.into_iter().map(|score| score.configuration).collect::<BTreeSet<_>>()
        };
        until("scores by the new configuration", SOON, versions, |versions| versions.contains(version)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_decides_is_in_the_log_before_anybody_is_told_and_stays_so_through_kills() {
    let bench = Bench::new("configured", None).await;
    let base = bench.services.url(Service::Gateway);
    let ends = Arc::new(AtomicBool::new(false));
    let mut clients: JoinSet<Told> = (0..6).map(|customer| client(base.clone(), customer, Arc::clone(&ends))).collect();
    let mut applied = Vec::new();
    for round in 1..=4 {
        let version = bench.apply(0.5 + f64::from(round) / 100.0);
        if round % 2 == 0 {
            bench.services.kill(Service::Scoring);
            bench.services.start_again(Service::Scoring);
        }
        bench.wait_for(&version).await;
        applied.push(version);
    }
    ends.store(true, Ordering::Relaxed);
    let mut told = Told::new();
    while let Some(client) = clients.join_next().await {
        told.extend(client.expect("no panic"));
    }
    let lag = || async {
        let topics = [millrace_schemas::Topic::Transactions];
        bench.deployment.log.lag("scoring", &topics).await.ok().map(|lag| lag.total())
    };
    until("everything to be decided", SOON, lag, |lag| *lag == Some(0)).await;

    // What somebody was told is what the log says.
    let scores = bench.deployment.read::<TransactionScore>().await;
    let mut by_id = BTreeMap::new();
    for score in &scores {
        let id = format!("{}/{}", score.transaction.customer_id, score.transaction.transaction_id);
        assert!(by_id.insert(id, (score.configuration.clone(), score.scoring)).is_none(), "scored once");
    }
    assert!(told.len() > 20, "{} answers", told.len());
    for (id, answer) in &told {
        assert_eq!(by_id.get(id), Some(answer), "{id}");
    }
    let versions: BTreeSet<&str> = scores.iter().map(|score| score.configuration.as_str()).collect();
    assert!(applied.iter().all(|version| versions.contains(version.as_str())), "{applied:?} {versions:?}");
    assert_eq!(contradictions(&bench.deployment).await, BTreeSet::new());

    // All of it can be recomputed, by whatever decided it.
    let replay = run(&bench.services, &["replay", "scoring", "--verify", "--json"], None);
    let partitions: Vec<Json> = serde_json::from_str(&said(&replay)).expect("JSON");
    let sum = |name: &str| partitions.iter().filter_map(|it| it[name].as_u64()).sum::<u64>();
    assert_eq!(sum("outputs"), scores.len() as u64);
    assert_eq!((sum("different"), sum("missing"), sum("other_configuration")), (0, 0, 0), "{partitions:?}");

    let shown = run(&bench.services, &["configuration", "--json"], None);
    let shown: Vec<ProcessorEpoch> = serde_json::from_str(&said(&shown)).expect("JSON");
    assert_eq!(shown.len(), 3, "a row for each partition");
    assert!(shown.iter().all(|epoch| Some(&epoch.basis["configuration"]) == applied.last()), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_records_of_it_nobody_knows_what_decided() {
    let bench = Bench::new("unconfigured", Some("epochs")).await;
    let ends = Arc::new(AtomicBool::new(false));
    let client = tokio::spawn(client(bench.services.url(Service::Gateway), 0, Arc::clone(&ends)));
    let version = bench.apply(0.6);
    bench.wait_for(&version).await;
    ends.store(true, Ordering::Relaxed);
    assert!(!client.await.expect("no panic").is_empty());
    assert!(!contradictions(&bench.deployment).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_checked_first_and_can_be_taken_back() {
    let deployment = Deployment::new("changes").await;
    let services = Services::of(&deployment, &[]);
    let run = |words: &[&str], content: Option<&str>| run(&services, words, content);

    let refused = run(&["thresholds", "apply"], Some("[thresholds]\nreview = 0.9\nblock = 0.2\n"));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{error}");
    assert!(error.contains("content.toml: line 1, column 1: thresholds must lie in order"), "{error}");
    assert_eq!(run(&["thresholds", "apply"], Some("nothing")).status.code(), Some(2));
    assert_eq!(run(&["lists", "rollback"], None).status.code(), Some(1));
    let checked = said(&run(&["thresholds", "apply", "--check"], Some(&thresholds(0.1))));
    assert!(checked.contains("is valid: the configuration would be rules-"), "{checked}");

    let built_in = said(&run(&["rules", "show"], None));
    let first = said(&run(&["thresholds", "apply", "--reason", "a test"], Some(&thresholds(0.2))));
    let second = said(&run(&["thresholds", "apply"], Some(&thresholds(0.3))));
    let version = |said: &str| said.split([' ', ',']).nth(2).map(ToOwned::to_owned);
    assert!(second.starts_with(&format!("{} -> ", version(&first).expect("a version"))), "{first}{second}");
    assert_eq!(said(&run(&["thresholds", "show"], None)), thresholds(0.3));
    let back = said(&run(&["thresholds", "rollback"], None));
    assert_eq!(version(&back), version(&first));
    assert_eq!(said(&run(&["thresholds", "show"], None)), thresholds(0.2));
    let again = said(&run(&["thresholds", "rollback", "--to", "1"], None));
    assert_eq!(version(&again), version(&second));
    let history: Json = serde_json::from_str(&said(&run(&["thresholds", "history", "--json"], None))).expect("JSON");
    let rows = history.as_array().expect("rows");
    assert_eq!((rows.len(), &rows[0]["reason"]), (4, &json!("a test")));
    assert_eq!(rows.iter().map(|row| row["offset"].as_i64()).collect::<Vec<_>>(), (0..4).map(Some).collect::<Vec<_>>());

    // Rules that name no thresholds leave those that were applied.
    let without: String = built_in.replacen("[thresholds]\nreview = 0.5\nblock = 0.8\n", "", 1);
    assert_ne!(without, built_in);
    let rules = said(&run(&["rules", "apply"], Some(&without)));
    assert!(rules.starts_with(&version(&again).expect("a version")), "{rules}");
    assert_eq!(said(&run(&["rules", "show"], None)), without);
    assert_eq!(
        version(&said(&run(&["rules", "rollback"], None))),
        version(&said(&run(&["rules", "apply"], Some(&built_in))))
    );
}
