//! Dead letters: seen, taken in again after a fix, once, whatever is killed and however many do it.

use millrace_ingest::GatewayConfig;
use millrace_processors::{Receipts, Scoring};
use millrace_runtime::{
    Headers, Record, headers, lifecycle::Shutdown, processor::ProcessorConfig, producer::EventProducer,
};
use millrace_schemas::{
    Topic,
    event::{DeadLetter, DeadLetterAction, LetterAction, Purchase, Transaction, TransactionScore},
    rules::Rules,
    time::DAY_MS,
};
use millrace_tests::{
    Deployment, Services,
    deployment::SOON,
    outcomes::{Outcome, assert_complete, events, outcomes, records},
    wait::until,
};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeSet,
    process::{Output, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Takes what lies two days ahead.
const WIDER: Rules = Rules { ahead_max_ms: 2 * DAY_MS, total_tolerance: 100 };

struct Desk {
    deployment: Deployment,
    services: Services,
    producer: EventProducer,
}

impl Desk {
    async fn new(name: &str) -> Self {
        let deployment = Deployment::new(name).await;
        let services = Services::of(&deployment, &[]);
        let producer = EventProducer::connect(&deployment.log, "test").await.expect("schemas");
        Self { deployment, services, producer }
    }

    fn scoring(&mut self, rules: Rules, config: ProcessorConfig) -> Shutdown {
        let scoring = Scoring::default();
        self.deployment.processor(scoring, rules, config)
    }

    async fn produce(&self, transaction: &Transaction) {
        let headers = Headers::new().with("till", "7").with(headers::REQUEST_ID, "request-1");
        self.producer.append(transaction, headers).await.expect("acknowledged");
    }

    /// Runs `millrace deadletters`; its exit status and its JSON.
    fn run(&self, words: &[&str]) -> (i32, Json) {
        let output = self.start(words).wait_with_output().expect("it ends");
        parsed(&output)
    }

    fn start(&self, words: &[&str]) -> std::process::Child {
        let mut command = self.services.command(&["deadletters", "--json"]);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary starts")
    }

    async fn letters(&self, count: usize) -> Vec<DeadLetter> {
        until("dead letters", SOON, || self.deployment.read::<DeadLetter>(), |letters| letters.len() == count).await
    }

    async fn scores(&self, count: usize) -> Vec<TransactionScore> {
        until("scores", SOON, || self.deployment.read::<TransactionScore>(), |scores| scores.len() == count).await
    }

    /// The journal's records that replay letters.
    async fn replays(&self) -> Vec<Record> {
        let all = records(&self.deployment, Topic::Transactions).await;
        all.into_values().filter(|record| record.headers.get(headers::REPLAY_OF).is_some()).collect()
    }
}

fn parsed(output: &Output) -> (i32, Json) {
    let said = String::from_utf8_lossy(&output.stderr);
    let json = serde_json::from_slice(&output.stdout).unwrap_or(Json::Null);
    (output.status.code().unwrap_or_else(|| panic!("killed: {said}")), json)
}

fn transaction(id: &str, occurred_at: i64) -> Transaction {
    let text = include_str!("../../schemas/avro/transactions/v1.example.json");
    let example = serde_json::from_str::<Vec<Transaction>>(text).expect("examples").remove(0);
    Transaction { transaction_id: id.to_owned(), occurred_at, received_at: now(), ..example }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64
}

fn results(json: &Json) -> Vec<&str> {
    json.as_array().expect("outcomes").iter().map(|outcome| outcome["result"].as_str().expect("a result")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_judged_by_its_first_receipt_and_takes_effect_once_after_a_fix() {
    let mut desk = Desk::new("letters").await;
    let strict = desk.scoring(Rules::default(), ProcessorConfig::default());
    let ahead = transaction("early", now() + DAY_MS + 3_000);
    desk.produce(&ahead).await;
    let first = desk.letters(1).await.remove(0);
    assert_eq!((first.code.as_str(), first.attempt), ("timestamp_in_future", 1));

    // By now the record would pass, but it is judged by the day it came.
    until("time to pass", SOON, async || now(), |now| *now > ahead.occurred_at - DAY_MS + 100).await;
    let (status, done) = desk.run(&["replay", "--yes", "--code", "timestamp_in_future", "--reason", "a try"]);
    assert_eq!((status, results(&done)), (0, vec!["replayed"]), "{done}");
    let letters = desk.letters(2).await;
    let second = letters.iter().find(|letter| letter.attempt == 2).expect("refused as on its first day");
    assert_eq!((&second.code, second.received_at), (&first.code, first.received_at));
    let (_, shown) = desk.run(&["show", &first.event_id]);
    assert_eq!((&shown["state"], &shown["action"]["reason"]), (&json!("replayed"), &json!("a try")));
    assert_eq!(shown["payload"]["transaction_id"], "early", "{shown}");
    let (_, shown) = desk.run(&["show", &second.event_id]);
    assert_eq!((&shown["state"], &shown["replay_of"]), (&json!("open"), &json!(first.event_id)), "{shown}");

    strict.cancel();
    desk.deployment.stop().await;
    desk.scoring(WIDER, ProcessorConfig::default());
    // The first letter was replayed already: only the second is open.
    let (status, done) = desk.run(&["replay", "--yes"]);
    assert_eq!((status, done[0]["event_id"].as_str()), (0, Some(second.event_id.as_str())), "{done}");
    assert_eq!(done.as_array().map(Vec::len), Some(1));
    let score = desk.scores(1).await.remove(0);
    assert_eq!(score.transaction, ahead, "the bytes are the original ones");
    let replay = desk.replays().await.pop().expect("a record");
    for (name, value) in [("till", "7"), (headers::REQUEST_ID, "request-1"), (headers::ATTEMPT, "3")] {
        assert_eq!(replay.headers.text(name), Some(value), "{name}");
    }
    assert_eq!(replay.received_at(), first.received_at);
    let (status, done) = desk.run(&["replay", "--yes", "--id", &first.event_id]);
    assert_eq!((status, results(&done)), (1, vec!["earlier"]), "{done}");
    desk.deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_refused_goes_through_its_rules_again() {
    let mut desk = Desk::new("refused").await;
    let base = desk.deployment.gateway(GatewayConfig::default()).await;
    let wider = Rules { total_tolerance: 5_000, ..Rules::default() };
    desk.deployment.processor(Receipts, wider, ProcessorConfig::default());
    let receipt = |id: &str, total: &str, extra: Json| {
        json!({
            "transaction_id": id, "timestamp": "2026-03-01T12:00:00Z", "place_id": "p1", "place_name": "Corner shop",
            "items": [{"product_id": "apples", "quantity": 1, "price": 10, "category": "groceries"}],
            "total_amount": total, "payment_method": "cash", "currency": "EUR", "note": extra,
        })
    };
    let several = [receipt("off", "10.40", json!(1)), receipt("card", "10", json!("4111111111111111"))];
    let client = reqwest::Client::new();
    let posted = client.post(format!("{base}/api/v1/receipts")).json(&several).send().await.expect("an answer");
    let request_id = posted.headers()["x-request-id"].to_str().expect("an id").to_owned();
    let unreadable =
        client.post(format!("{base}/api/v1/receipts")).header("content-type", "application/json").body("{");
    unreadable.send().await.expect("an answer");
    desk.letters(3).await;

    let (_, list) = desk.run(&["list", "--topic", "receipts", "--since", "1h"]);
    assert_eq!(list.as_array().map(Vec::len), Some(3), "{list}");
    let (status, done) = desk.run(&["replay", "--yes"]);
    assert_eq!((status, results(&done)), (1, vec!["refused"; 3]));
    let why: Vec<&str> = done.as_array().expect("three").iter().filter_map(|it| it["detail"].as_str()).collect();
    for expected in ["still refused: /total_amount", "may hold card data", "could not be taken apart"] {
        assert!(why.iter().any(|why| why.contains(expected)), "{expected}: {why:?}");
    }
    let (_, off) = desk.run(&["list", "--code", "total_mismatch"]);
    let received_at = off[0]["received_at"].as_str().expect("a time");
    let (status, done) =
        desk.run(&["replay", "--yes", "--code", "total_mismatch", "--set", "rules.total_tolerance=5000"]);
    assert_eq!((status, results(&done)), (0, vec!["replayed"]), "{done} {off}");
    let purchases = || desk.deployment.read::<Purchase>();
    let purchase = until("the purchase", SOON, purchases, |purchases| purchases.len() == 1).await.remove(0);
    assert_eq!(millrace_schemas::time::format_instant(purchase.received_at), received_at);
    let records = records(&desk.deployment, Topic::Receipts).await;
    let record = records.into_values().next().expect("the replay");
    assert_eq!(record.headers.text(headers::REQUEST_ID), Some(request_id.as_str()));

    // What cannot be replayed can be left, and then stays so.
    let (status, done) = desk.run(&["discard", "--yes", "--state", "open", "--reason", "told the shop"]);
    assert_eq!((status, results(&done)), (0, vec!["discarded"; 2]), "{done}");
    assert_eq!(desk.run(&["list", "--state", "open"]).1, json!([]));
    let actions = desk.deployment.read::<DeadLetterAction>().await;
    let discarded = actions.iter().filter(|action| action.action == LetterAction::Discarded);
    assert!(
        discarded.clone().count() == 2 && discarded.clone().all(|it| it.reason.as_deref() == Some("told the shop"))
    );
    desk.deployment.stop().await;
}

/// Makes letters that take effect when they are replayed: records that came a day too early, and a processor that has learnt to
/// wait.
async fn many_letters(desk: &mut Desk, count: usize) {
    let strict = desk.scoring(Rules::default(), ProcessorConfig::default());
    for number in 0..count {
        let mut early = transaction(&format!("early-{number}"), now() + DAY_MS + 3_600_000);
        early.customer_id = format!("customer-{}", number % 20);
        desk.produce(&early).await;
    }
    desk.letters(count).await;
    strict.cancel();
    desk.deployment.stop().await;
    desk.scoring(WIDER, ProcessorConfig::default());
}

/// Every letter stands in its journal once more and has one effect.
async fn assert_replayed_once(desk: &mut Desk, count: usize) {
    desk.scores(count).await;
    let replays = desk.replays().await;
    let letters: BTreeSet<&str> = replays.iter().filter_map(|it| it.headers.text(headers::REPLAY_OF)).collect();
    assert_eq!((replays.len(), letters.len()), (count, count), "each letter is in the journal once more");
    let (journal, outcomes) =
        (events::<Transaction>(&desk.deployment).await, outcomes::<TransactionScore>(&desk.deployment).await);
    assert_complete(&journal, &outcomes);
    let effects = outcomes.values().filter(|outcome| matches!(outcome, Outcome::Output(_))).count();
    assert_eq!((journal.len(), effects), (2 * count, count));
    let actions = desk.deployment.read::<DeadLetterAction>().await;
    assert_eq!(actions.len(), count);
    for action in &actions {
        let at = (action.partition.expect("a partition"), action.offset.expect("an offset"));
        assert!(
            replays.iter().any(|it| (it.partition, it.offset) == at
                && it.headers.text(headers::REPLAY_OF) == Some(action.letter_id.as_str())),
            "{action:?} says where it is"
        );
    }
    desk.deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_is_killed_again_and_again_replays_every_letter_once() {
    let count = 600;
    let mut desk = Desk::new("killed").await;
    many_letters(&mut desk, count).await;
    let (mut kills, mut after) = (0, Duration::from_millis(60));
    let deadline = Instant::now() + SOON;
    loop {
        assert!(Instant::now() < deadline, "not done after {kills} kills");
        let mut child = desk.start(&["replay", "--yes"]);
        tokio::time::sleep(after).await;
        if child.try_wait().expect("its status").is_some() {
            break;
        }
        child.kill().expect("it is killed");
        child.wait().expect("it is gone");
        (kills, after) = (kills + 1, after + Duration::from_millis(35));
    }
    assert!(kills >= 3, "{kills} kills");
    let (status, _) = desk.run(&["replay", "--yes"]);
    assert_eq!(status, 0, "nothing is left, or the rest was done");
    assert_replayed_once(&mut desk, count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_replays_at_once_replay_every_letter_once() {
    let count = 600;
    let mut desk = Desk::new("at_once").await;
    many_letters(&mut desk, count).await;
    let running: Vec<_> = (0..4).map(|_| desk.start(&["replay", "--yes"])).collect();
    let ended: Vec<Output> = running.into_iter().map(|child| child.wait_with_output().expect("it ends")).collect();
    let codes: Vec<Option<i32>> = ended.iter().map(|output| output.status.code()).collect();
    // The last to begin is never fenced: it does what is left, or finds that all is done.
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 1 | 3))), "{codes:?}");
    for output in ended.iter().filter(|output| output.status.code() == Some(1) && output.stdout.is_empty()) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("another process does the same"), "{said}");
    }
    desk.run(&["replay", "--yes"]);
    assert_replayed_once(&mut desk, count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conflict_stays_one_even_when_the_processor_has_forgotten_the_first() {
    let horizon = 2_000;
    let mut desk = Desk::new("horizon").await;
    let first = transaction("t1", now());
    let other = Transaction { amount: first.amount + 1, ..first.clone() };
    let long = desk.scoring(Rules::default(), ProcessorConfig::default());
    desk.produce(&first).await;
    desk.produce(&other).await;
    let conflict = desk.letters(1).await.remove(0);
    assert_eq!(conflict.code, "conflict");

    // While the first is remembered the processor says so itself.
    let (status, done) = desk.run(&["replay", "--yes"]);
    assert_eq!((status, results(&done)), (0, vec!["replayed"]), "{done}");
    let letters = desk.letters(2).await;
    let again = letters.iter().find(|letter| letter.attempt == 2).expect("a conflict again");
    assert_eq!(again.code, "conflict");

    // Now it is forgotten: a record with the id is a new event, as a control shows.
    long.cancel();
    desk.deployment.stop().await;
    desk.scoring(Rules::default(), ProcessorConfig { dedup_horizon_ms: horizon, ..ProcessorConfig::default() });
    until("the horizon to pass", SOON, async || now(), |now| *now > again.received_at + 2 * horizon).await;
    let set = format!("processor.dedup_horizon_ms={horizon}");
    let (status, done) = desk.run(&["replay", "--yes", "--set", &set]);
    assert_eq!((status, results(&done)), (1, vec!["refused"]), "{done}");
    assert!(done[0]["detail"].as_str().is_some_and(|why| why.contains("took effect with other content")), "{done}");
    assert_eq!(desk.scores(1).await.len(), 1);
    desk.produce(&other).await;
    desk.scores(2).await;
    desk.deployment.stop().await;
}
