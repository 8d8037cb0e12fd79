//! What processors wrote is recomputed from the journal and compared; what is missing is written, once.

use millrace_processors::{
    Scoring,
    scoring::rules::{BUILT_IN, RuleSet},
};
use millrace_runtime::{
    Headers, Record, headers, lifecycle::Shutdown, processor::ProcessorConfig, producer::EventProducer,
};
use millrace_schemas::{
    Topic,
    event::{DeadLetter, Purchase, Receipt, Transaction, TransactionScore},
    rules::Rules,
    wire::Codec,
};
use millrace_tests::{
    Deployment, Services,
    deployment::SOON,
    outcomes::{Outcome, assert_complete, events, outcomes, records},
    python,
    wait::until,
};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

struct Bench {
    deployment: Deployment,
    services: Services,
    producer: EventProducer,
}

impl Bench {
    async fn new(name: &str) -> Self {
        let deployment = Deployment::new(name).await;
        let services = Services::of(&deployment, &[]);
        let producer = EventProducer::connect(&deployment.log, "test").await.expect("schemas");
        Self { deployment, services, producer }
    }

    fn scoring(&mut self) -> Shutdown {
        self.scoring_with(ProcessorConfig::default())
    }

    fn scoring_with(&mut self, config: ProcessorConfig) -> Shutdown {
        self.scoring_by(RuleSet::built_in(), config)
    }

    fn scoring_by(&mut self, rules: RuleSet, config: ProcessorConfig) -> Shutdown {
        let scoring = Scoring::with_rules(rules);
        self.deployment.processor(scoring, Rules::default(), config)
    }

    /// Transactions of a few customers: most are new, some come twice, some contradict an earlier one, some break a rule.
    async fn produce(&self, from: i64, count: i64) {
        for number in from..from + count {
            let mut transaction = example();
            transaction.customer_id = format!("customer-{}", number % 7);
            transaction.transaction_id = format!("t{}", if number % 20 == 19 { number - 7 } else { number });
            transaction.occurred_at += if number % 20 == 19 { number - 7 } else { number } * 600_000;
            transaction.amount = 10_000 + number % 20 / 19 * 7 * (number % 40 / 20);
            if number % 50 == 7 {
                transaction.currency = "XXY".to_owned();
            }
            self.producer.append(&transaction, Headers::new()).await.expect("acknowledged");
        }
    }

    async fn wait_decided(&self) {
        let lag =
            || async { self.deployment.log.lag("scoring", &[Topic::Transactions]).await.ok().map(|lag| lag.total()) };
        until("everything to be decided", SOON, lag, |lag| *lag == Some(0)).await;
    }

    /// Runs `millrace replay`; its exit status and its JSON.
    fn replay(&self, words: &[&str]) -> (i32, Vec<Json>) {
        let output = self.services.command(&["replay", "--json"]).args(words).output().expect("the binary starts");
        let said = String::from_utf8_lossy(&output.stderr);
        let json: Json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        (output.status.code().expect("it ends by itself"), json.as_array().expect("partitions").clone())
    }

    /// The scores with their records, in the order they stand in.
    async fn scores(&self) -> Vec<(Record, TransactionScore)> {
        let codec = Codec::reader(&self.deployment.log.schemas().await.expect("schemas")).expect("codec");
        let records = records(&self.deployment, Topic::TransactionScores).await;
        let decoded = records.into_values().map(|record| {
            let score = codec.decode(record.value.as_deref()).expect("own events decode");
            (record, score)
        });
        decoded.collect()
    }

    /// Makes the scores anew, as they are given.
    async fn rewrite(&mut self, scores: &[(Record, TransactionScore)]) {
        let topic = self.deployment.topic(Topic::TransactionScores);
        python::run(python::script("clients/recreate.py").args([&self.deployment.kafka.brokers, &topic]));
        self.producer = EventProducer::connect(&self.deployment.log, "test").await.expect("schemas");
        for (record, score) in scores {
            self.producer.append(score, record.headers.clone()).await.expect("acknowledged");
        }
    }
}

fn example() -> Transaction {
    let text = include_str!("../../schemas/avro/transactions/v1.example.json");
    serde_json::from_str::<Vec<Transaction>>(text).expect("examples").remove(0)
}

fn sum(partitions: &[Json], name: &str) -> u64 {
    partitions.iter().map(|it| it[name].as_u64().unwrap_or_else(|| panic!("{name}: {it}"))).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_through_restarts_is_recomputed_equal() {
    let mut bench = Bench::new("recomputed").await;
    for round in 0..3 {
        let scoring = bench.scoring();
        bench.produce(round * 200, 200).await;
        if round == 2 {
            bench.wait_decided().await;
        }
        scoring.cancel();
        bench.deployment.stop().await;
    }
    let (status, partitions) = bench.replay(&["scoring", "--verify"]);
    assert_eq!((status, partitions.len()), (0, 3), "{partitions:?}");
    let mut counts = BTreeMap::new();
    for outcome in outcomes::<TransactionScore>(&bench.deployment).await.into_values() {
        let name = match outcome {
            Outcome::Output(_) => "outputs",
            Outcome::Duplicate(_) => "duplicates",
            Outcome::DeadLetter(_) => "dead_letters",
        };
        *counts.entry(name).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 3, "there is some of everything: {counts:?}");
    for (name, count) in counts {
        assert_eq!(sum(&partitions, name), count, "{name}");
    }
    assert_eq!(sum(&partitions, "records"), 600);
    assert_eq!(sum(&partitions, "rounded") + sum(&partitions, "reworded") + sum(&partitions, "other_configuration"), 0);

    let receipts = include_str!("../../schemas/avro/receipts/v1.example.json");
    for receipt in serde_json::from_str::<Vec<Receipt>>(receipts).expect("examples") {
        bench.producer.append(&receipt, Headers::new()).await.expect("acknowledged");
    }
    bench.deployment.receipts();
    let lag = || async { bench.deployment.log.lag("receipts", &[Topic::Receipts]).await.ok().map(|lag| lag.total()) };
    until("receipts to be decided", SOON, lag, |lag| *lag == Some(0)).await;
    let (status, partitions) = bench.replay(&["receipts", "--verify"]);
    let decided =
        events::<Purchase>(&bench.deployment).await.len() + events::<DeadLetter>(&bench.deployment).await.len();
    assert_eq!(status, 0, "{partitions:?}");
    assert!(sum(&partitions, "records") > 0 && decided > 0);
    bench.deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_configuration_decided_that_the_log_does_not_know_is_left_out() {
    let mut bench = Bench::new("unknown").await;
    let rules = RuleSet::parse(&BUILT_IN.replacen("\nreview = 0.5", "\nreview = 0.45", 1)).expect("valid");
    bench.scoring_by(rules, ProcessorConfig::default());
    bench.produce(0, 60).await;
    bench.wait_decided().await;
    let (status, partitions) = bench.replay(&["scoring", "--verify"]);
    assert!(sum(&partitions, "outputs") > 0);
    assert_eq!((status, sum(&partitions, "other_configuration")), (0, sum(&partitions, "outputs")), "{partitions:?}");
    bench.deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_named_and_written_once_and_remembered() {
    let mut bench = Bench::new("repaired").await;
    let scoring = bench.scoring();
    bench.produce(0, 200).await;
    bench.wait_decided().await;
    scoring.cancel();
    bench.deployment.stop().await;
    let mut scores = bench.scores().await;
    let taken = scores.iter().position(|(_, score)| score.source.offset == 20).expect("a score in the middle");
    let (_, dropped) = scores.remove(taken);
    bench.rewrite(&scores).await;

    let partition = dropped.source.partition.to_string();
    let (status, found) = bench.replay(&["scoring", "--verify", "--partition", &partition]);
    assert_eq!((status, sum(&found, "missing"), sum(&found, "different")), (1, 1, 0), "{found:?}");
    assert_eq!((&found[0]["first"]["offset"], &found[0]["first"]["kind"]), (&json!(20), &json!("missing")));

    // A processor that runs meanwhile, and snapshots of its memory, in which the one that is missing is not. What it decides is of
    // customers whose past is whole.
    let folder = bench.services.folder().join("snapshots");
    let snapshots =
        ProcessorConfig { snapshot_folder: Some(folder.clone()), snapshot_every_ms: 100, ..ProcessorConfig::default() };
    bench.scoring_with(snapshots);
    for number in 0..12 {
        let transaction = Transaction { customer_id: format!("other-{number}"), ..example() };
        bench.producer.append(&transaction, Headers::new()).await.expect("acknowledged");
    }
    bench.wait_decided().await;
    let taken = folder.join(format!("scoring-{partition}.snapshot"));
    until("a snapshot", SOON, || async { taken.exists() }, |exists| *exists).await;

    let (status, repaired) = bench.replay(&["scoring", "--repair"]);
    let written: Vec<i64> =
        repaired.iter().flat_map(|it| it["written"].as_array().expect("offsets")).filter_map(Json::as_i64).collect();
    assert_eq!((status, written), (0, vec![20]), "{repaired:?}");
    let (status, found) = bench.replay(&["scoring", "--verify"]);
    assert_eq!((status, sum(&found, "repairs")), (0, 1), "{found:?}");
    let (status, repaired) = bench.replay(&["scoring", "--repair"]);
    assert!(status == 0 && repaired.iter().all(|it| it["written"] == json!([])), "{repaired:?}");
    let after = bench.scores().await;
    let (record, repair) = after.iter().find(|(_, it)| it.source == dropped.source).expect("the repair");
    assert_eq!(repair, &dropped, "what was lost");
    assert!(record.headers.get(headers::REPAIR).is_some());

    // The processor remembers the repaired transaction: windows count it, and it still is the first of its id.
    bench.producer.append(&dropped.transaction, Headers::new()).await.expect("acknowledged");
    bench.produce(200, 50).await;
    bench.wait_decided().await;
    let (status, found) = bench.replay(&["scoring", "--verify"]);
    assert_eq!(status, 0, "{found:?}");
    let journal = events::<Transaction>(&bench.deployment).await;
    assert_complete(&journal, &outcomes::<TransactionScore>(&bench.deployment).await);
    bench.deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_doubled_or_made_up_is_shown_field_by_field() {
    let mut bench = Bench::new("changed").await;
    let scoring = bench.scoring();
    bench.produce(0, 200).await;
    bench.wait_decided().await;
    scoring.cancel();
    bench.deployment.stop().await;
    let original = bench.scores().await;
    let at = original.iter().position(|(_, score)| score.source.offset == 20).expect("a score in the middle");
    let partition = original[at].1.source.partition.to_string();
    let verify = ["scoring", "--verify", "--partition", &partition];

    let mut changed = original.clone();
    changed[at].1.windows.customer_avg_amount_3h += 1;
    changed[at].1.scoring += 0.25;
    bench.rewrite(&changed).await;
    let (status, found) = bench.replay(&verify);
    assert_eq!((status, sum(&found, "different")), (1, 1), "{found:?}");
    let first = &found[0]["first"];
    let names: Vec<&str> =
        first["fields"].as_array().expect("fields").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!((first["offset"].as_i64(), names), (Some(20), vec!["/scoring", "/windows/customer_avg_amount_3h"]));
    assert_eq!(first["fields"][1]["written"], json!(changed[at].1.windows.customer_avg_amount_3h));
    assert_eq!(first["fields"][1]["recomputed"], json!(original[at].1.windows.customer_avg_amount_3h));

    // A second copy that readers drop is none for them; one that they take is.
    let mut copied = original.clone();
    copied.insert(at + 1, original[at].clone());
    bench.rewrite(&copied).await;
    let (status, found) = bench.replay(&verify);
    assert_eq!((status, sum(&found, "copies"), sum(&found, "doubled")), (0, 1, 0), "{found:?}");
    let headers = original[at].0.headers.clone().with(headers::REPAIR, "1");
    bench.producer.append(&original[at].1, headers).await.expect("acknowledged");
    let (status, found) = bench.replay(&verify);
    assert_eq!((status, sum(&found, "doubled")), (1, 1), "{found:?}");
    bench.rewrite(&original).await;
    assert_eq!(bench.replay(&verify).0, 0, "as it was");
}
