use super::*;
use crate::{
    Topic,
    event::{LabelKind, ReceiptItem, TimeResolution},
    ids,
};

const NOW: i64 = 1_764_000_000_000;

fn transaction() -> Transaction {
    Transaction {
        event_id: "e".into(),
        occurred_at: NOW,
        received_at: NOW,
        customer_id: "customer-1".into(),
        transaction_id: "txn-1".into(),
        amount: 109_900,
        currency: "EUR".into(),
        transaction_type: 55,
        merchant_id: "merchant-1".into(),
        card_bin: "411111".into(),
        ip_address: "2001:db8::1".into(),
        device_id: "device-1".into(),
        location: "Berlin".into(),
        channel: "online".into(),
        is_fraud: None,
        merchant_risk_score: Some(1.0),
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

fn item(quantity: i64, price: i64) -> ReceiptItem {
    ReceiptItem {
        product_id: "p".into(),
        quantity,
        price,
        category: "groceries".into(),
        nds_rate: None,
        extra: BTreeMap::new(),
    }
}

/// The predecessor's example receipt: 2 x 10.99 and 1 x 5.49.
fn receipt() -> Receipt {
    Receipt {
        event_id: "e".into(),
        occurred_at: NOW,
        received_at: NOW,
        place_id: "place-1".into(),
        transaction_id: "r-1".into(),
        place_name: "Corner shop".into(),
        items: vec![item(2_000_000, 109_900), item(1_000_000, 54_900)],
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

fn found(event: &impl Checked) -> Vec<(String, &'static str)> {
    event.check(&Rules::default(), NOW).into_iter().map(|v| (v.path.pointer(), v.code)).collect()
}

fn transaction_with(change: impl FnOnce(&mut Transaction)) -> Vec<(String, &'static str)> {
    let mut transaction = transaction();
    change(&mut transaction);
    found(&transaction)
}

fn receipt_with(change: impl FnOnce(&mut Receipt)) -> Vec<(String, &'static str)> {
    let mut receipt = receipt();
    change(&mut receipt);
    found(&receipt)
}

fn label() -> Label {
    Label {
        event_id: "e".into(),
        decided_at: NOW,
        received_at: NOW,
        customer_id: "customer-1".into(),
        label_id: "l-1".into(),
        transaction_id: "txn-1".into(),
        trn_id: ids::trn_id(Topic::Transactions, "customer-1", "txn-1").to_string(),
        label: LabelKind::Fraud,
        source: "analyst".into(),
        time_zone: None,
        time_resolution: TimeResolution::Exact,
        extra: BTreeMap::new(),
    }
}

fn label_with(change: impl FnOnce(&mut Label)) -> Vec<(String, &'static str)> {
    let mut label = label();
    change(&mut label);
    found(&label)
}

fn one(path: &str, code: &'static str) -> Vec<(String, &'static str)> {
    vec![(path.to_owned(), code)]
}

#[test]
fn the_examples_break_no_rule() {
    assert_eq!(found(&transaction()), []);
    assert_eq!(found(&receipt()), []);
    assert_eq!(found(&label()), []);
}

#[test]
fn each_rule_of_transactions_names_its_field() {
    assert_eq!(transaction_with(|t| t.customer_id.clear()), one("/customer_id", "empty"));
    assert_eq!(transaction_with(|t| t.transaction_id = "x".repeat(129)), one("/transaction_id", "too_long"));
    assert_eq!(transaction_with(|t| t.location = "a\nb".into()), one("/location", "control_character"));
    assert_eq!(transaction_with(|t| t.amount = -1), one("/amount", "negative_amount"));
    assert_eq!(transaction_with(|t| t.amount = i64::MAX), one("/amount", "too_large"));
    assert_eq!(transaction_with(|t| t.currency = "eur".into()), one("/currency", "unknown_currency"));
    assert_eq!(transaction_with(|t| t.card_bin = "4111111111111111".into()), one("/card_bin", "bad_card_bin"));
    assert_eq!(transaction_with(|t| t.ip_address = "1.2.3".into()), one("/ip_address", "bad_ip_address"));
    assert_eq!(transaction_with(|t| t.card_risk_score = Some(f64::NAN)), one("/card_risk_score", "out_of_range"));
    assert_eq!(transaction_with(|t| t.latitude = Some(90.5)), one("/latitude", "out_of_range"));
    assert_eq!(transaction_with(|t| t.customer_segments.push(String::new())), one("/customer_segments/1", "empty"));
    assert_eq!(transaction_with(|t| t.card_id = Some("4111111111111111".into())), one("/card_id", "card_data"));
    assert_eq!(transaction_with(|t| t.occurred_at = NOW + DAY_MS + 1), one("/timestamp", "timestamp_in_future"));
    assert_eq!(transaction_with(|t| t.occurred_at = -1), one("/timestamp", "timestamp_out_of_range"));
}

#[test]
fn each_rule_of_labels_names_its_field() {
    assert_eq!(label_with(|l| l.label_id.clear()), one("/label_id", "empty"));
    assert_eq!(label_with(|l| l.source = "x".repeat(129)), one("/source", "too_long"));
    assert_eq!(label_with(|l| l.transaction_id = "txn-2".into()), one("/trn_id", "wrong_trn_id"));
    assert_eq!(label_with(|l| l.decided_at = NOW + DAY_MS + 1), one("/decided_at", "timestamp_in_future"));
    assert_eq!(label_with(|l| l.decided_at = -1), one("/decided_at", "timestamp_out_of_range"));
    let noted = |l: &mut Label| l.extra.insert("note".into(), "\"4111 1111 1111 1111\"".into());
    assert_eq!(label_with(|l| drop(noted(l))), one("/note", "card_data"));
}

#[test]
fn card_data_in_unknown_fields_is_refused() {
    let with = |name: &str, value: &str| {
        transaction_with(|t| {
            t.extra.insert(name.into(), value.into());
        })
    };
    assert_eq!(with("cvv", "123"), one("/cvv", "card_data"));
    assert_eq!(with("note", "\"4111 1111 1111 1111\""), one("/note", "card_data"));
    assert_eq!(with("note", "\"hello\""), []);
}

#[test]
fn each_rule_of_receipts_names_its_field() {
    assert_eq!(
        receipt_with(|r| r.items.clear()),
        [("/items".into(), "no_items"), ("/total_amount".into(), "total_mismatch")]
    );
    assert_eq!(receipt_with(|r| r.total_amount += 101), one("/total_amount", "total_mismatch"));
    assert_eq!(receipt_with(|r| r.total_amount += 100), []);
    assert_eq!(receipt_with(|r| r.nds_amount = -1), one("/nds_amount", "vat_out_of_range"));
    assert_eq!(receipt_with(|r| r.nds_amount = r.total_amount + 1), one("/nds_amount", "vat_out_of_range"));
    assert_eq!(receipt_with(|r| r.tips_amount = -1), one("/tips_amount", "negative_tips"));
    assert_eq!(receipt_with(|r| r.items.push(item(0, 1))), one("/items/2/quantity", "zero_quantity"));
    assert_eq!(receipt_with(|r| r.items.push(item(-1, 1))), one("/items/2/quantity", "negative_quantity"));
}

#[test]
fn a_rate_of_vat_lies_between_0_and_100_percent() {
    for (rate, found) in [(0, vec![]), (1_000_000, vec![]), (200_000, vec![])] {
        assert_eq!(receipt_with(|r| r.items[0].nds_rate = Some(rate)), found);
    }
    for rate in [-1, 1_000_001] {
        assert_eq!(receipt_with(|r| r.items[1].nds_rate = Some(rate)), one("/items/1/nds_rate", "out_of_range"));
    }
}

#[test]
fn a_return_has_a_negative_total_and_may_have_negative_quantities() {
    let back = |r: &mut Receipt| {
        r.items = vec![item(-2_000_000, 109_900)];
        r.total_amount = -219_800;
        r.nds_amount = -10_000;
    };
    assert_eq!(receipt_with(back), []);
    let naming = |id: &'static str| {
        move |r: &mut Receipt| {
            back(r);
            r.original_transaction_id = Some(id.to_owned());
        }
    };
    assert_eq!(receipt_with(naming("r-0")), []);
    assert_eq!(receipt_with(naming("r-1")), one("/original_transaction_id", "original_is_itself"));
    assert_eq!(receipt_with(naming("")), one("/original_transaction_id", "empty"));
    let of_purchase = |r: &mut Receipt| r.original_transaction_id = Some("r-0".to_owned());
    assert_eq!(receipt_with(of_purchase), one("/original_transaction_id", "original_of_no_return"));
    let negative_price = |r: &mut Receipt| {
        r.items = vec![item(1_000_000, -100)];
        r.total_amount = -100;
        r.nds_amount = 0;
    };
    assert_eq!(receipt_with(negative_price), one("/items/0/price", "negative_price"));
}
