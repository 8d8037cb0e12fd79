//! What every processor makes of examples, as a whole: those of the schemas, and some that bring out what theirs don't.

use crate::common::{after, context, item, receipt, score, transaction};
use insta::assert_json_snapshot;
use millrace_processors::{Receipts, Scoring};
use millrace_runtime::processor::{Memory, Processor};
use millrace_schemas::{
    Event,
    event::{Derived, Purchase, Receipt, Transaction},
};
use std::{collections::BTreeMap, path::Path};

/// What a processor makes of its input's schema examples, one after another.
fn of_schema_examples<P: Processor>(processor: &P) -> Vec<P::Out> {
    let topic = <P::Out as Derived>::From::TOPIC;
    let name = format!("../schemas/avro/{topic}/v{}.example.json", topic.versions().len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let inputs: Vec<<P::Out as Derived>::From> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut memory = processor.memory();
    (0..).zip(inputs).map(|(offset, input)| memory.process(input.clone(), context(&input, offset))).collect()
}

#[test]
fn the_schemas_transactions() {
    let scoring = Scoring::default();
    assert_json_snapshot!(of_schema_examples(&scoring));
}

#[test]
fn the_schemas_receipts() {
    assert_json_snapshot!(of_schema_examples(&Receipts));
}

fn split(receipt: &Receipt) -> Purchase {
    Receipts.memory().process(receipt.clone(), context(receipt, 7))
}

#[test]
fn a_plain_transaction() {
    assert_json_snapshot!(score(&[transaction()])[0]);
}

#[test]
fn a_suspicious_transaction_after_a_quiet_past() {
    let mut inputs: Vec<Transaction> = (0..12).map(|day| after(24 * day)).collect();
    inputs.push(Transaction {
        transaction_id: "txn-2".into(),
        amount: 9_999_900,
        device_id: "device-2".into(),
        location: "Lisboa".into(),
        is_fraud: Some(true),
        merchant_risk_score: Some(0.25),
        card_risk_score: Some(0.875),
        is_velocity_alert: Some(false),
        is_device_alert: Some(true),
        transaction_category: Some("electronics".into()),
        is_high_value: Some(true),
        latitude: Some(38.72),
        longitude: Some(-9.14),
        extra: BTreeMap::from([("terminal".to_owned(), "{\"id\":7}".to_owned())]),
        ..after(24 * 12)
    });
    assert_json_snapshot!(score(&inputs)[12]);
}

#[test]
fn a_late_transaction() {
    assert_json_snapshot!(score(&[after(0), after(40), after(10)])[2]);
}

#[test]
fn a_plain_receipt() {
    assert_json_snapshot!(split(&receipt()));
}

#[test]
fn a_return_by_weight() {
    assert_json_snapshot!(split(&Receipt {
        items: vec![item("cheese", "groceries", -375_000, 12_999), item("deposit", "other", -1_000_000, 2_500)],
        total_amount: -7_375,
        nds_amount: -500,
        tips_amount: 0,
        payment_transaction_id: Some("txn-1".into()),
        original_transaction_id: Some("receipt-0".into()),
        ..receipt()
    }));
}
