//! The reconciler on real services: what is clean is proven, what is not is named by its offset, what is repaired is clean again.

use millrace_processors::Scoring;
use millrace_projections::{
    clickhouse::ClickHouse,
    reconciler::{self, ReconcilerConfig, published},
};
use millrace_runtime::{
    Headers, lifecycle::Shutdown, log::Log, processor::ProcessorConfig, producer::EventProducer, reconcile::Journal,
};
use millrace_schemas::{
    Topic,
    event::{Reconciliation, Transaction, TransactionScore},
    rules::Rules,
};
use millrace_tests::{
    Deployment, Service, Services,
    deployment::SOON,
    outcomes::{events, records},
    python,
    wait::until,
};
use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;

const JOURNALS: [Journal; 2] = [
    Journal { processor: "scoring", topic: Topic::Transactions, outputs: Topic::TransactionScores },
    Journal { processor: "receipts", topic: Topic::Receipts, outputs: Topic::Purchases },
];

struct Desk {
    deployment: Deployment,
    producer: EventProducer,
    reconciler: Option<(Shutdown, JoinHandle<()>)>,
}

impl Desk {
    async fn new(name: &str) -> Self {
        let deployment = Deployment::new(name).await;
        let producer = EventProducer::connect(&deployment.log, "test").await.expect("schemas");
        Self { deployment, producer, reconciler: None }
    }

    fn start(&mut self) {
        let clickhouse = ClickHouse::new(&self.deployment.clickhouse).expect("configuration");
        let config = ReconcilerConfig { every_ms: 50, stretch_records_max: 100, turn_records_max: 100 };
        let (log, shutdown) = (self.deployment.log.clone(), Shutdown::new());
        let run = reconciler::run(log, clickhouse, JOURNALS.to_vec(), config, shutdown.clone());
        let task = tokio::spawn(async move { run.await.expect("the reconciler ends well") });
        self.reconciler = Some((shutdown, task));
    }

    async fn stop(&mut self) {
        if let Some((shutdown, task)) = self.reconciler.take() {
            shutdown.cancel();
            task.await.expect("no panic");
        }
    }

    async fn produce(&self, from: i64, count: i64) {
        let text = include_str!("../../schemas/avro/transactions/v1.example.json");
        let example = serde_json::from_str::<Vec<Transaction>>(text).expect("examples").remove(0);
        for number in from..from + count {
            let mut transaction = example.clone();
            transaction.customer_id = format!("customer-{}", number % 7);
            // Some come twice, some contradict an earlier one, some break a rule.
            let again = number % 10 == 9;
            transaction.transaction_id = format!("t{}", if again { number - 7 } else { number });
            transaction.amount = 10_000 + if number % 20 == 19 { 1 } else { 0 };
            transaction.currency =
                if number % 13 == 5 { "XXY" } else { ["EUR", "USD"][number as usize % 7 % 2] }.into();
            self.producer.append(&transaction, Headers::new()).await.expect("acknowledged");
        }
    }

    async fn state(&self) -> Vec<Reconciliation> {
        published(&self.deployment.log).await.expect("the log answers")
    }

    /// Waits until everything that is committed is checked, and again in turn since now; what is wrong then.
    async fn checked(&self, wrong: &[(&str, i64, &str)]) {
        let expected: Vec<(String, i64, String)> =
            wrong.iter().map(|(place, offset, kind)| ((*place).to_owned(), *offset, (*kind).to_owned())).collect();
        until("what is wrong to be named, and no more", SOON, || self.told(), |told| *told == expected).await;
    }

    async fn told(&self) -> Vec<(String, i64, String)> {
        let told = self.state().await.into_iter().flat_map(|state| {
            let place = format!("{}/{}", state.topic, state.partition);
            state.differences.into_iter().map(move |it| {
                let place = it.table.map_or_else(|| place.clone(), |table| format!("{place} {table}"));
                (place, it.offset, it.kind)
            })
        });
        told.collect()
    }

    /// Waits until everything decided is checked, and everything checked was checked again after `after`.
    async fn proven(&self, records: i64, after: i64) {
        let checked = |states: &Vec<Reconciliation>| {
            let count = |state: &Reconciliation| state.counts.get("records").copied().unwrap_or(0);
            let counted = |of_journal: bool| -> i64 {
                states.iter().filter(|it| (it.topic == "transactions") == of_journal).map(count).sum()
            };
            let mut with_rows = states.iter().filter(|it| it.topic != "transactions" && count(it) > 0);
            // Each record has one outcome, and that stands in one topic.
            (counted(true), counted(false)) == (records, records)
                && states.iter().all(|it| it.verified_through == it.committed)
                && with_rows.all(|it| it.turn_completed_at.is_some_and(|at| at > after))
        };
        until("everything to be checked", SOON, || self.state(), checked).await;
    }

    fn scoring(&mut self) -> Shutdown {
        let scoring = Scoring::default();
        self.deployment.processor(scoring, Rules::default(), ProcessorConfig::default())
    }

    async fn wait_committed(&self) {
        let lag = |log: Log| async move {
            let decided = log.lag("scoring", &[Topic::Transactions]).await.ok()?.total();
            let topics = [Topic::TransactionScores, Topic::DeadLetters, Topic::Duplicates];
            Some(decided + log.lag("clickhouse", &topics).await.ok()?.total())
        };
        until("everything to be stored", SOON, || lag(self.deployment.log.clone()), |lag| *lag == Some(0)).await;
    }

    async fn run(&self, sql: &str) {
        self.deployment.query(sql).await;
    }
}

fn now() -> i64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_clean_is_proven_and_rows_lost_doubled_or_changed_are_named_until_they_are_repaired() {
    let mut desk = Desk::new("reconciled").await;
    desk.scoring();
    desk.deployment.receipts();
    desk.deployment.projector().await;
    desk.start();
    desk.produce(0, 300).await;
    desk.wait_committed().await;
    desk.proven(300, now()).await;
    desk.checked(&[]).await;

    // The proof's own figures are the log's and the tables'.
    let states = desk.state().await;
    let scores = events::<TransactionScore>(&desk.deployment).await;
    for currency in ["EUR", "USD"] {
        let of_currency = scores.values().filter(|it| it.transaction.currency == currency);
        let expected: i64 = of_currency.map(|score| score.transaction.amount).sum();
        let sums = states.iter().flat_map(|it| &it.sums);
        let proven: i64 = sums
            .filter(|sum| sum.name == "transactions" && sum.currency == currency)
            .map(|sum| sum.amount.parse::<i64>().expect("a number"))
            .sum();
        assert!(expected > 0 && proven == expected, "{currency}: {proven} {expected}");
    }
    let journals = states.iter().filter(|it| it.topic == "transactions");
    let outcomes = ["transaction-scores", "duplicates", "dead-letters"];
    let counted = journals.flat_map(|it| outcomes.iter().filter_map(|name| it.counts.get(*name))).sum::<i64>();
    assert_eq!(counted, 300, "one outcome for each record");

    // One row is deleted, one inserted twice, one changed.
    let [lost, doubled, changed] = [3, 4, 5].map(|nth| *scores.keys().nth(nth).expect("scores"));
    let partition = lost.0;
    assert_eq!((doubled.0, changed.0), (partition, partition), "in one partition");
    let at = |(partition, offset): (i32, i64)| format!("_partition = {partition} AND _offset = {offset}");
    let keep = |name: &str, table: &str, at: String| {
        format!("CREATE TABLE {name} ENGINE = Memory AS SELECT * FROM {table} WHERE {at}")
    };
    let delete = |table: &str, at: String| format!("ALTER TABLE {table} DELETE WHERE {at} SETTINGS mutations_sync = 2");
    desk.run(&keep("lost", "transaction_scores_v1", at(lost))).await;
    desk.run(&keep("doubled", "transactions_v1", at(doubled))).await;
    desk.run(&delete("transaction_scores_v1", at(lost))).await;
    desk.run("INSERT INTO transactions_v1 SELECT * FROM doubled").await;
    let change = format!(
        "ALTER TABLE transactions_v1 UPDATE amount = amount + 1 WHERE {} SETTINGS mutations_sync = 2",
        at(changed)
    );
    desk.run(&change).await;
    let [of_scores, of_transactions] =
        ["transaction_scores", "transactions"].map(|table| format!("transaction-scores/{partition} {table}"));
    let mut wrong = [
        (of_scores.as_str(), lost.1, "missing"),
        (of_transactions.as_str(), doubled.1, "doubled"),
        (of_transactions.as_str(), changed.1, "money"),
    ];
    wrong.sort_by_key(|it| it.1);
    desk.checked(&wrong).await;

    // It stays known after a restart, goes on with what is new, and ends with the repair.
    desk.stop().await;
    desk.start();
    desk.produce(300, 50).await;
    desk.proven(350, now()).await;
    desk.checked(&wrong).await;
    desk.run("INSERT INTO transaction_scores_v1 SELECT * FROM lost").await;
    desk.run(&delete("transactions_v1", at(doubled))).await;
    desk.run("INSERT INTO transactions_v1 SELECT * FROM doubled").await;
    let back = format!(
        "ALTER TABLE transactions_v1 UPDATE amount = amount - 1 WHERE {} SETTINGS mutations_sync = 2",
        at(changed)
    );
    desk.run(&back).await;
    desk.checked(&[]).await;
    desk.proven(350, now()).await;
    desk.stop().await;
    desk.deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_is_lost_is_named_until_it_is_repaired() {
    let mut desk = Desk::new("outcome_lost").await;
    let services = Services::of(&desk.deployment, &[]);
    let scoring = desk.scoring();
    desk.produce(0, 100).await;
    let lag = || async { desk.deployment.log.lag("scoring", &[Topic::Transactions]).await.ok().map(|lag| lag.total()) };
    until("everything to be decided", SOON, lag, |lag| *lag == Some(0)).await;
    scoring.cancel();
    desk.deployment.stop().await;

    let scores = records(&desk.deployment, Topic::TransactionScores).await;
    let decoded = events::<TransactionScore>(&desk.deployment).await;
    let lost = decoded.values().find(|score| score.source.offset == 10).expect("a score in the middle").source.clone();
    let topic = desk.deployment.topic(Topic::TransactionScores);
    python::run(python::script("clients/recreate.py").args([&desk.deployment.kafka.brokers, &topic]));
    desk.producer = EventProducer::connect(&desk.deployment.log, "test").await.expect("schemas");
    for (place, score) in decoded.iter().filter(|(_, score)| score.source != lost) {
        desk.producer.append(score, scores[place].headers.clone()).await.expect("acknowledged");
    }

    desk.start();
    let place = format!("transactions/{}", lost.partition);
    desk.checked(&[(&place, lost.offset, "missing")]).await;
    services.start(&[Service::Gateway]);
    let base = services.url(Service::Gateway);
    let answer = reconciliation(&base).await;
    assert_eq!((&answer["proven"], &answer["differences"]), (&json!(false), &json!(1)), "{answer}");
    let repair = services.command(&["replay", "scoring", "--repair"]).output().expect("the binary starts");
    assert!(repair.status.success(), "{}", String::from_utf8_lossy(&repair.stderr));
    desk.checked(&[]).await;
    assert_eq!(reconciliation(&base).await["proven"], true);
    desk.stop().await;
    desk.deployment.stop().await;
}

async fn reconciliation(base: &str) -> Json {
    let answer = reqwest::get(format!("{base}/api/v1/reconciliation")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.json().await.expect("JSON")
}
