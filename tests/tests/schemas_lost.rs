//! The log does without the registry: services start and run while it is down, and what it loses is given back to it.

use millrace_local::{Part, Sandbox};
use millrace_runtime::{log::Log, metrics::WORKER_RESTARTS_TOTAL};
use millrace_schemas::{
    Event as _, Topic,
    event::{SchemaRecord, Transaction, TransactionScore},
    wire::Codec,
};
use millrace_tests::{
    Deployment, Service, Services,
    deployment::SOON,
    made_up,
    outcomes::{Outcome, Position, outcomes, records},
    python,
    wait::until,
};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::{Value as Json, json};
use std::{
    fs::{self, File},
    process::Output,
};
use tokio::task::block_in_place;

struct Outage {
    deployment: Deployment,
    services: Services,
    sandbox: Sandbox,
    client: reqwest::Client,
}

impl Outage {
    async fn prepare(name: &str) -> Self {
        let sandbox = block_in_place(Sandbox::start).expect("a sandbox");
        let deployment = Deployment::within(&sandbox, name).await;
        // A gateway that remembers no ids leaves duplicates to the processor.
        let services = Services::of(&deployment, &["gateway.remembered_ids_max=0"]);
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { deployment, services, sandbox, client }
    }

    fn registry_down(&self) {
        block_in_place(|| self.sandbox.kill(Part::Registry)).expect("it is killed");
    }

    fn registry_up(&self) {
        block_in_place(|| self.sandbox.restart(Part::Registry)).expect("it starts again");
    }

    /// The registry as it is after its disk was lost.
    fn registry_emptied(&self) {
        let data = self.sandbox.folder().join("data/registry");
        assert!(fs::read_dir(&data).expect("its data").next().is_some(), "{} holds nothing", data.display());
        fs::remove_dir_all(&data).expect("its data can be deleted");
        fs::create_dir(&data).expect("its folder");
        self.registry_up();
    }

    async fn post(&self, path: &str, body: String) -> Json {
        let url = format!("{}{path}", self.services.url(Service::Gateway));
        let request = self.client.post(url).header("content-type", "application/json").body(body);
        request.send().await.expect("an answer").json().await.expect("a JSON answer")
    }

    /// Posts `count` made-up transactions of several customers, so that every partition gets some.
    async fn post_transactions(&self, prefix: &str, count: usize) {
        let mut random = StdRng::seed_from_u64(1);
        let one = |n: usize| {
            made_up::transaction(&format!("c{}", n % 12), &format!("{prefix}{n}"), 60_000 * n as i64, &mut random)
        };
        let bodies: Vec<String> = (0..count).map(one).map(|made| made.body).collect();
        let answer = self.post("/api/v1/transactions", format!("[{}]", bodies.join(","))).await;
        assert_eq!(answer["accepted"], count, "{answer}");
    }

    async fn post_receipts(&self, count: usize) {
        let bodies: Vec<String> =
            millrace_loadgen::receipts::Receipts::new(9).take(count).map(|it| it.to_string()).collect();
        let answer = self.post("/api/v1/receipts", format!("[{}]", bodies.join(","))).await;
        assert_eq!(answer["accepted"], count, "{answer}");
    }

    async fn wait_rows(&self, table: &str, count: usize) {
        let sql = format!("SELECT count() FROM {table}");
        until(table, SOON, || self.deployment.value(&sql), |rows| *rows == count.to_string()).await;
    }

    async fn ask_registry(&self, path: &str) -> Json {
        let url = format!("{}/{path}", self.sandbox.registry());
        self.client.get(url).send().await.expect("the registry answers").json().await.expect("JSON")
    }

    /// Panics unless the registry holds these schemas under these ids, and lets no subject break its readers.
    async fn assert_registry_holds(&self, schemas: &[SchemaRecord]) {
        let parse = |text: &str| serde_json::from_str::<Json>(text).expect("a schema");
        for SchemaRecord { id, subject, schema } in schemas {
            let stored = self.ask_registry(&format!("schemas/ids/{id}")).await;
            assert_eq!(parse(stored["schema"].as_str().expect("a schema")), parse(schema), "{id}");
            let compatibility = self.ask_registry(&format!("config/{subject}")).await;
            assert_eq!(compatibility["compatibilityLevel"], "BACKWARD_TRANSITIVE", "{subject}");
        }
    }

    /// Registers another team's version of transactions, which has one more field; its id.
    async fn register_foreign(&self) -> i32 {
        let mut schema: Json = serde_json::from_str(Topic::Transactions.schema()).expect("JSON");
        let field = json!({"name": "loyalty_tier", "type": ["null", "string"], "default": null, "doc": "Theirs."});
        schema["fields"].as_array_mut().expect("fields").push(field);
        self.register(&format!("{}-value", self.deployment.topic(Topic::Transactions)), &schema).await
    }

    async fn register(&self, subject: &str, schema: &Json) -> i32 {
        let url = format!("{}/subjects/{subject}/versions", self.sandbox.registry());
        let answer =
            self.client.post(url).json(&json!({"schema": schema.to_string()})).send().await.expect("an answer");
        let answer: Json = answer.json().await.expect("JSON");
        answer["id"].as_i64().unwrap_or_else(|| panic!("{answer}")) as i32
    }

    /// A transaction written by the official Python client with the registry's latest schema; where it stands.
    fn produce_foreign(&self, customer: &str, id: &str) -> Position {
        let at = 1_772_359_200_000_i64;
        let event = json!({
            "event_id": format!("foreign-{id}"), "occurred_at": at, "received_at": at, "customer_id": customer,
            "transaction_id": id, "amount": 12_345, "currency": "EUR", "type": 55, "merchant_id": "m", "card_bin": "411111",
            "ip_address": "203.0.113.7", "device_id": "d", "location": "Berlin", "channel": "pos", "customer_segments": [],
            "time_resolution": "exact", "extra": {}, "loyalty_tier": "gold",
        });
        let lines = self.services.folder().join("foreign.ndjson");
        fs::write(&lines, json!({"key": customer, "event": event}).to_string()).expect("the folder can be written to");
        let mut command = python::script("clients/produce.py");
        command.args([self.sandbox.kafka(), self.sandbox.registry(), self.deployment.topic(Topic::Transactions)]);
        let written: Json = serde_json::from_str(&python::run(command.stdin(File::open(&lines).expect("the lines"))))
            .expect("a position");
        (written["partition"].as_i64().expect("a partition") as i32, written["offset"].as_i64().expect("an offset"))
    }

    fn millrace(&self, words: &[&str]) -> Output {
        block_in_place(|| self.services.command(words).output()).expect("the binary starts")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_start_and_run_without_the_registry_and_only_a_foreign_schema_waits_for_it() {
    let outage = Outage::prepare("outage").await;
    outage.registry_down();
    outage.services.start(&Service::ALL);
    outage.post_transactions("first-", 40).await;
    outage.post_receipts(20).await;
    outage.wait_rows("transaction_scores", 40).await;
    outage.wait_rows("receipts", 20).await;

    // Another team's record comes with a schema that only the registry knows, which is down again when the record is read.
    outage.services.kill(Service::Scoring);
    outage.registry_up();
    let id = outage.register_foreign().await;
    let position = outage.produce_foreign("c1", "foreign-1");
    outage.registry_down();
    outage.services.start_again(Service::Scoring);
    outage.post_transactions("second-", 40).await;
    let restarts = || outage.services.metric(Service::Scoring, WORKER_RESTARTS_TOTAL);
    until("the processor to ask for the schema again and again", SOON, restarts, |restarts| *restarts >= 3.0).await;
    let decided = outcomes::<TransactionScore>(&outage.deployment).await;
    assert!(!decided.contains_key(&position), "decided without its schema: {:?}", decided[&position]);
    let known = outage.deployment.log.schemas().await.expect("schemas");
    assert!(known.iter().all(|record| record.id != id), "the log has a schema nobody could read");

    outage.registry_up();
    outage.wait_rows("transaction_scores", 81).await;
    let decided = outcomes::<TransactionScore>(&outage.deployment).await;
    let Some(Outcome::Output(score)) = decided.get(&position) else { panic!("{:?}", decided.get(&position)) };
    assert_eq!((score.transaction.transaction_id.as_str(), score.transaction.amount), ("foreign-1", 12_345));
    assert_eq!(outage.deployment.value("SELECT count() FROM dead_letters").await, "0");
    let known = outage.deployment.log.schemas().await.expect("schemas");
    let recorded = known.iter().find(|record| record.id == id).expect("the log has the foreign schema");
    assert!(recorded.schema.contains("loyalty_tier"), "{}", recorded.schema);
    assert_eq!(recorded.subject, format!("{}-value", outage.deployment.topic(Topic::Transactions)));
    assert_eq!(outage.services.ended(), []);
}

/// Topics that [`fill`] puts records on.
const FILLED: &[Topic] = &[
    Topic::Transactions,
    Topic::Receipts,
    Topic::TransactionScores,
    Topic::Purchases,
    Topic::DeadLetters,
    Topic::Duplicates,
    Topic::Requests,
    Topic::Schemas,
    Topic::Controls,
];

/// Records on the topics that services write, one of them written with a foreign schema.
async fn fill(outage: &Outage) {
    outage.services.start(&Service::ALL);
    outage.register_foreign().await;
    outage.produce_foreign("c1", "foreign-1");
    outage.post_transactions("t", 30).await;
    outage.post_receipts(10).await;
    // The same again are duplicates, and a negative amount is a dead letter with its audit.
    outage.post_transactions("t", 30).await;
    let refused = outage.post("/api/v1/transactions", r#"[{"customer_id": "c1", "amount": -1}]"#.to_owned()).await;
    assert_eq!(refused["rejected"], 1, "{refused}");
    let resumed = outage.millrace(&["resume", "scoring"]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    for (table, rows) in [("transaction_scores", 31), ("receipts", 10), ("duplicates", 30), ("dead_letters", 1)] {
        outage.wait_rows(table, rows).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_decodes_itself_when_the_registrys_data_is_gone_and_gives_it_back_or_says_why_not() {
    let outage = Outage::prepare("lost").await;
    fill(&outage).await;
    outage.assert_registry_holds(&outage.deployment.log.schemas().await.expect("schemas")).await;
    outage.registry_down();

    let Deployment { kafka, registry, .. } = &outage.deployment;
    let schemas = Log::new(kafka, registry).expect("configuration").schemas().await.expect("the schemas topic");
    let ours: usize = Topic::ALL.iter().map(|topic| topic.versions().len()).sum();
    assert_eq!(schemas.len(), ours + 1, "and the one of another producer");
    let codec = Codec::reader(&schemas).expect("codec");
    for topic in Topic::ALL {
        let records = records(&outage.deployment, *topic).await;
        assert!(!records.is_empty() || !FILLED.contains(topic), "{topic}");
        for (position, record) in records {
            let decoded = codec.decode_json(record.value.as_deref());
            assert!(decoded.is_ok(), "{topic} {position:?}: {decoded:?}");
        }
    }
    let shown = outage.millrace(&["watch", Transaction::TOPIC.name(), "--from", "beginning", "--until-end", "--json"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!((shown.lines().count(), shown.matches("undecoded").count()), (61, 0), "{shown}");

    outage.registry_emptied();
    assert_eq!(outage.ask_registry("subjects").await, json!([]));
    let registered = outage.millrace(&["schemas", "register"]);
    assert!(registered.status.success(), "{}", String::from_utf8_lossy(&registered.stderr));
    outage.assert_registry_holds(&schemas).await;
    let topics: Vec<String> = Topic::ALL.iter().map(|topic| outage.deployment.topic(*topic)).collect();
    let mut consume = python::script("clients/consume.py");
    consume.args([outage.sandbox.kafka(), outage.sandbox.registry()]).args(&topics);
    let read: Json = serde_json::from_str(&python::run(&mut consume)).expect("JSON");
    assert_eq!(read[outage.deployment.topic(Topic::Transactions)].as_array().map(Vec::len), Some(61));
    outage.post_transactions("after", 5).await;
    outage.wait_rows("transaction_scores", 36).await;
    other_ids_are_refused_in_words(&outage).await;
}

/// A registry that lost its data once more gives the first id to a stranger before the log's schemas come: they cannot have theirs.
async fn other_ids_are_refused_in_words(outage: &Outage) {
    outage.registry_down();
    outage.registry_emptied();
    outage.register("strangers-value", &json!({"type": "record", "name": "Stranger", "fields": []})).await;
    let refused = outage.millrace(&["schemas", "register"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("but the log uses") && said.contains("point registry.url to the right one"), "{said}");
}
