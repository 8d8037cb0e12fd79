//! Receipts and the transactions that paid them, on real services: in any order, with some sent twice and services killed, as brute
//! force over the log decides, and as the truth is.

use millrace_processors::matching::MatchingConfig;
use millrace_runtime::{Headers, Record, producer::EventProducer};
use millrace_schemas::{
    Topic,
    event::{
        Journal as _, MatchInput, MatchInputKind, MatchItem, MatchOutcome, MatchStep, Purchase, Receipt, ReceiptItem,
        ReceiptMatch, Transaction, TransactionScore,
    },
    wire::Codec,
};
use millrace_tests::{
    Deployment, Service, Services,
    deployment::SOON,
    matching::{Expected, Oracle},
    outcomes::{Outcome, Position, events, outcomes, records},
    wait::until,
};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// 2026-03-01T00:00:00Z.
const FIRST: i64 = 1_772_323_200_000;
const PAIRS: i64 = 90;
const WAIT_MS: i64 = 15_000;

/// What is sent.
#[derive(Clone)]
enum Sent {
    Transaction(Box<Transaction>),
    Receipt(Box<Receipt>),
}

/// What becomes of a pair with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    /// The receipt names the transaction.
    Named,
    /// Only amount, currency, place and time tell.
    Unnamed,
    /// The receipt names a transaction over another amount.
    Differs,
    /// The transaction never comes.
    Orphan,
    /// The receipt never comes.
    Alone,
    /// The receipt is a return.
    Return,
}

fn truth(number: i64) -> Truth {
    match number % 10 {
        0..3 => Truth::Named,
        3..6 => Truth::Unnamed,
        6 => Truth::Differs,
        7 => Truth::Orphan,
        8 => Truth::Alone,
        _ => Truth::Return,
    }
}

fn transaction(number: i64) -> Transaction {
    let text = include_str!("../../schemas/avro/transactions/v1.example.json");
    let example = serde_json::from_str::<Vec<Transaction>>(text).expect("examples").remove(0);
    let tips = if number % 4 == 0 { 500 } else { 0 };
    let differs = i64::from(truth(number) == Truth::Differs) * 90_000;
    Transaction {
        customer_id: format!("c{}", number % 7),
        transaction_id: format!("t{number}"),
        merchant_id: format!("shop-{}", number % 5),
        occurred_at: FIRST + number * 1_000,
        received_at: FIRST + number * 1_000,
        amount: 10_000 + number * 1_000 + tips + differs,
        currency: "EUR".into(),
        ..example
    }
}

fn receipt(number: i64) -> Receipt {
    let text = include_str!("../../schemas/avro/receipts/v1.example.json");
    let example = serde_json::from_str::<Vec<Receipt>>(text).expect("examples").remove(0);
    let (is_return, amount) = (truth(number) == Truth::Return, 10_000 + number * 1_000);
    let quantity = if is_return { -1_000_000 } else { 1_000_000 };
    let line = ReceiptItem {
        product_id: "p".into(),
        quantity,
        price: amount,
        category: "goods".into(),
        nds_rate: None,
        extra: BTreeMap::new(),
    };
    let names = matches!(truth(number), Truth::Named | Truth::Differs | Truth::Return);
    Receipt {
        place_id: format!("shop-{}", number % 5),
        transaction_id: format!("r{number}"),
        occurred_at: FIRST + number * 1_000 + 20_000,
        received_at: FIRST + number * 1_000 + 20_000,
        items: vec![line],
        total_amount: if is_return { -amount } else { amount },
        nds_amount: 0,
        tips_amount: if number % 4 == 0 { 500 } else { 0 },
        currency: "EUR".into(),
        payment_transaction_id: names.then(|| format!("t{number}")),
        ..example
    }
}

/// Everything, in any order, one in twenty twice.
fn everything() -> Vec<Sent> {
    let mut all = Vec::new();
    for number in 0..PAIRS {
        if truth(number) != Truth::Orphan {
            all.push(Sent::Transaction(Box::new(transaction(number))));
        }
        if truth(number) != Truth::Alone {
            all.push(Sent::Receipt(Box::new(receipt(number))));
        }
    }
    let twice: Vec<Sent> = all.iter().step_by(20).cloned().collect();
    all.extend(twice);
    all.shuffle(&mut StdRng::seed_from_u64(6));
    all
}

async fn send(producer: &EventProducer, all: &[Sent]) {
    for sent in all {
        match sent {
            Sent::Transaction(it) => producer.append(it.as_ref(), Headers::new()).await.expect("acknowledged"),
            Sent::Receipt(it) => producer.append(it.as_ref(), Headers::new()).await.expect("acknowledged"),
        };
    }
}

/// What became of a receipt: outcome, the transaction, and what differs.
type Became = (MatchOutcome, Option<String>, BTreeSet<String>);

/// What should become of each receipt, by brute force over match-input as it stands in the log.
fn by_brute_force(inputs: &BTreeMap<Position, Record>, codec: &Codec) -> BTreeMap<String, Became> {
    let limits = MatchingConfig { wait_ms: WAIT_MS, ..MatchingConfig::default() };
    let mut oracles: BTreeMap<i32, Oracle> = BTreeMap::new();
    let (mut items, mut found) = (BTreeMap::<Position, MatchItem>::new(), BTreeMap::new());
    for ((partition, offset), record) in inputs {
        let input: MatchInput = codec.decode(record.value.as_deref()).expect("own events decode");
        items.extend(input.item.clone().map(|item| ((*partition, *offset), item)));
        let oracle = oracles.entry(*partition).or_insert_with(|| Oracle::within(limits));
        for Expected { outcome, receipt, transaction, differences } in oracle.step(&input, *offset, record.timestamp) {
            let trn_id = |offset| items[&(*partition, offset)].trn_id.clone();
            let became = (outcome.0, transaction.map(trn_id), differences);
            assert_eq!(found.insert(trn_id(receipt), became), None, "one outcome");
        }
    }
    found
}

/// Each scored transaction and each purchase came to matching once.
async fn assert_merged_once(deployment: &Deployment, inputs: &BTreeMap<Position, MatchInput>) {
    let mut merged = BTreeMap::new();
    for input in inputs.values().filter(|it| it.kind != MatchInputKind::Tick) {
        let item = input.item.as_ref().expect("an item");
        assert_eq!(merged.insert(item.trn_id.clone(), input.kind), None, "{} came twice", item.trn_id);
    }
    let scores = deployment.read::<TransactionScore>().await.into_iter();
    let scores = scores.map(|score| (score.trn_id, MatchInputKind::Transaction));
    let purchases = deployment.read::<Purchase>().await.into_iter();
    let all = scores.chain(purchases.map(|purchase| (purchase.trn_id, MatchInputKind::Receipt)));
    assert_eq!(merged, all.collect());
}

/// The rows of the table, in the words of [`Became`].
async fn rows(deployment: &Deployment) -> BTreeMap<String, Became> {
    let sql = "SELECT toString(trn_id) AS trn_id, outcome, toString(paid_by_trn_id) AS by, differences.field AS fields \
               FROM receipt_matches";
    let rows = deployment.query(sql).await;
    let became = rows.iter().map(|row| {
        let outcome = serde_json::from_value(row["outcome"].clone()).expect("an outcome");
        let fields: BTreeSet<String> = serde_json::from_value(row["fields"].clone()).expect("fields");
        let by = row["by"].as_str().map(ToOwned::to_owned);
        (row["trn_id"].as_str().expect("an id").to_owned(), (outcome, by, fields))
    });
    let (count, all) = (rows.len(), became.collect::<BTreeMap<_, _>>());
    assert_eq!(count, all.len(), "one row for each receipt");
    all
}

fn assert_is_true(became: &BTreeMap<String, Became>) {
    let mut paid = 0;
    for number in 0..PAIRS {
        let Some((outcome, by, fields)) = became.get(&receipt(number).trn_id().to_string()) else {
            assert!(matches!(truth(number), Truth::Alone | Truth::Return), "nothing of {number}");
            continue;
        };
        if *outcome == MatchOutcome::Orphan {
            continue;
        }
        paid += 1;
        assert_eq!(by.as_ref(), Some(&transaction(number).trn_id().to_string()), "{number}");
        let (wanted, differing) = match truth(number) {
            Truth::Named | Truth::Unnamed => (MatchOutcome::Matched, BTreeSet::new()),
            Truth::Differs => (MatchOutcome::Mismatch, BTreeSet::from(["amount".to_owned()])),
            other => panic!("{number} is {other:?} and was paid"),
        };
        assert_eq!((*outcome, fields), (wanted, &differing), "{number}");
    }
    // A machine that stands still for long makes orphans of those that came on both sides of it.
    assert!(paid > PAIRS / 3, "only {paid} were paid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receipt_has_the_outcome_that_brute_force_gives_it_whatever_the_order_and_the_kills() {
    let deployment = Deployment::new("matching").await;
    let services = Services::of(&deployment, &[&format!("matching.wait_ms={WAIT_MS}"), "matching.tick_ms=500"]);
    let both = [Service::Matching, Service::MatchRelay];
    services.start(&[Service::Scoring, Service::Receipts, both[0], both[1], Service::Projector]);
    let producer = EventProducer::connect(&deployment.log, "test").await.expect("schemas");
    let all = everything();
    let quarters: Vec<&[Sent]> = all.chunks(all.len().div_ceil(4)).collect();
    send(&producer, quarters[0]).await;
    let count = || async { deployment.read::<ReceiptMatch>().await.len() };
    until("the first outcome", SOON, count, |count| *count > 0).await;
    for (service, quarter) in both.iter().zip(&quarters[1..]) {
        send(&producer, &quarter[..quarter.len() / 2]).await;
        services.kill(*service);
        send(&producer, &quarter[quarter.len() / 2..]).await;
        services.start_again(*service);
    }
    send(&producer, quarters[3]).await;
    both.iter().for_each(|service| services.kill(*service));
    both.iter().for_each(|service| services.start_again(*service));

    let receipts = (0..PAIRS).filter(|n| !matches!(truth(*n), Truth::Alone | Truth::Return)).count();
    until("an outcome of every receipt", SOON, count, |count| *count >= receipts).await;
    let stored = || async { deployment.value("SELECT count() FROM receipt_matches").await };
    until("every row", SOON, stored, |stored| *stored == receipts.to_string()).await;

    let inputs = records(&deployment, Topic::MatchInput).await;
    let codec = Codec::reader(&deployment.log.schemas().await.expect("schemas")).expect("codec");
    let told = events::<ReceiptMatch>(&deployment).await;
    let became: BTreeMap<String, Became> = told
        .values()
        .map(|it| {
            let fields = it.differences.iter().map(|it| it.field.clone()).collect();
            let by = it.transaction.as_ref().map(|by| by.trn_id.clone());
            (it.receipt.trn_id.clone(), (it.outcome, by, fields))
        })
        .collect();
    assert_eq!((told.len(), became.len()), (receipts, receipts), "one outcome for each receipt");
    assert_eq!(became, by_brute_force(&inputs, &codec));
    assert_eq!(became, rows(&deployment).await);
    assert_is_true(&became);
    assert_merged_once(&deployment, &events(&deployment).await).await;
    let home = |partition: i32, place: &str| {
        inputs.iter().any(|((number, _), it)| *number == partition && it.key.as_deref() == Some(place.as_bytes()))
    };
    assert!(told.iter().all(|((partition, _), it)| home(*partition, &it.receipt.place_id)), "in the place's partition");

    let decided = until(
        "an outcome of every input",
        SOON,
        || outcomes::<MatchStep>(&deployment),
        |decided| inputs.keys().all(|position| decided.contains_key(position)),
    )
    .await;
    assert!(decided.values().all(|outcome| matches!(outcome, Outcome::Output(_))), "{decided:?}");
    assert!(inputs.values().any(|record| record.key.as_ref().is_some_and(|key| key.starts_with(b"tick"))));

    let limits = format!("matching.wait_ms={WAIT_MS}");
    let words = ["replay", Service::Matching.name(), "--verify", "--json", "--set", &limits];
    let output = services.command(&words).output().expect("the binary starts");
    let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    assert!(output.status.success(), "{said:?}");
    let partitions: Vec<Json> = serde_json::from_slice(&output.stdout).expect("JSON");
    let sum = |name: &str| partitions.iter().filter_map(|it| it[name].as_u64()).sum::<u64>();
    assert_eq!((sum("different"), sum("missing"), sum("doubled")), (0, 0, 0), "{partitions:?}");
}
