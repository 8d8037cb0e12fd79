//! Inputs for the tests.

use millrace_processors::{Scoring, scoring::Customers};
use millrace_runtime::processor::{Context, Memory, Processor};
use millrace_schemas::{
    event::{Journal, Receipt, ReceiptItem, Source, TimeResolution, Transaction, TransactionScore},
    time::HOUR_MS,
};
use std::collections::BTreeMap;

/// 2025-11-24T16:00:00Z.
pub const NOON: i64 = 1_764_000_000_000;

/// An unremarkable transaction of 10.99 EUR at [`NOON`].
pub fn transaction() -> Transaction {
    Transaction {
        event_id: "0198f0de-7a50-7b3c-9d3e-3f1f0f6b7c11".into(),
        occurred_at: NOON,
        received_at: NOON,
        customer_id: "customer-1".into(),
        transaction_id: "txn-1".into(),
        amount: 109_900,
        currency: "EUR".into(),
        transaction_type: 55,
        merchant_id: "merchant-1".into(),
        card_bin: "411111".into(),
        ip_address: "192.0.2.17".into(),
        device_id: "device-1".into(),
        location: "Berlin".into(),
        channel: "online".into(),
        is_fraud: None,
        merchant_risk_score: None,
        card_risk_score: None,
        customer_risk_score: None,
        is_velocity_alert: None,
        is_location_alert: None,
        is_device_alert: None,
        customer_segments: vec!["gold".into()],
        transaction_category: None,
        is_high_value: None,
        card_id: None,
        latitude: None,
        longitude: None,
        merchant_category: None,
        time_zone: None,
        time_resolution: TimeResolution::Exact,
        extra: BTreeMap::new(),
    }
}

/// [`transaction`], so many hours after [`NOON`].
pub fn after(hours: i64) -> Transaction {
    Transaction { occurred_at: NOON + hours * HOUR_MS, ..transaction() }
}

/// The predecessor's example: 2 x 10.99 groceries and 1 x 5.49 electronics.
pub fn receipt() -> Receipt {
    Receipt {
        event_id: "0198f0de-7a50-7b3c-9d3e-3f1f0f6b7c12".into(),
        occurred_at: NOON,
        received_at: NOON,
        place_id: "place-1".into(),
        transaction_id: "receipt-1".into(),
        place_name: "Corner shop".into(),
        items: vec![item("milk", "groceries", 2_000_000, 109_900), item("cable", "electronics", 1_000_000, 54_900)],
        total_amount: 274_700,
        nds_amount: 24_700,
        tips_amount: 30_000,
        currency: "EUR".into(),
        payment_method: "credit_card".into(),
        payment_transaction_id: None,
        original_transaction_id: None,
        time_zone: None,
        time_resolution: TimeResolution::Exact,
        extra: BTreeMap::new(),
    }
}

/// A line of a receipt.
pub fn item(product: &str, category: &str, quantity: i64, price: i64) -> ReceiptItem {
    ReceiptItem {
        product_id: product.into(),
        quantity,
        price,
        category: category.into(),
        nds_rate: None,
        extra: BTreeMap::new(),
    }
}

/// What the runtime says of an input at an offset of partition 3.
pub fn context<J: Journal>(input: &J, offset: i64) -> Context {
    let topic = J::TOPIC.name().to_owned();
    Context {
        source: Source { topic, partition: 3, offset, index: 0, timestamp: NOON + offset },
        event_id: format!("event-{offset}"),
        trn_id: input.trn_id().to_string(),
    }
}

/// Fresh memory under the built-in rules.
pub fn customers() -> Customers {
    Scoring::default().memory()
}

/// Scores inputs that stand in the journal one after another, from an offset on.
pub fn score_from(memory: &mut Customers, first: i64, inputs: &[Transaction]) -> Vec<TransactionScore> {
    (first..).zip(inputs).map(|(offset, input)| memory.process(input.clone(), context(input, offset))).collect()
}

/// Scores inputs from nothing.
pub fn score(inputs: &[Transaction]) -> Vec<TransactionScore> {
    score_from(&mut customers(), 0, inputs)
}

/// The last score of inputs from nothing.
pub fn last_score(inputs: &[Transaction]) -> TransactionScore {
    score(inputs).pop().expect("at least one input")
}
