//! What every processor makes of the examples, as a whole.

use crate::common::{after, context, item, receipt, score, transaction};
use insta::assert_json_snapshot;
use millrace_processors::Receipts;
use millrace_runtime::processor::{Memory, Processor};
use millrace_schemas::event::{Purchase, Receipt, Transaction};
use std::collections::BTreeMap;

fn split(receipt: &Receipt) -> Purchase {
    Receipts.memory().process(receipt, &context(receipt, 7))
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
        ..receipt()
    }));
}
