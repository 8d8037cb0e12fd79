//! Splitting receipts.

use crate::common::{context, item, receipt};
use millrace_processors::Receipts;
use millrace_runtime::processor::{Memory, Processor};
use millrace_schemas::event::{Purchase, Receipt, ReceiptKind};

fn split(receipt: &Receipt) -> Purchase {
    Receipts.memory().process(receipt.clone(), context(receipt, 7))
}

#[test]
fn a_receipt_becomes_its_lines_with_their_amounts() {
    let purchase = split(&receipt());
    let lines: Vec<_> = purchase.lines.iter().map(|l| (l.line, l.product_id.as_str(), l.amount)).collect();
    assert_eq!(lines, [(1, "milk", 219_800), (2, "cable", 54_900)]);
    assert_eq!((purchase.items_total, purchase.items_difference, purchase.net_amount), (274_700, 0, 250_000));
    assert_eq!(purchase.receipt, receipt());
}

#[test]
fn a_lines_amount_is_rounded_half_to_even() {
    let amounts = |quantity| {
        let items = vec![item("cheese", "groceries", quantity, 1)];
        split(&Receipt { items, ..receipt() }).lines[0].amount
    };
    let rounded: Vec<i64> = [500_000, 1_500_000, 2_500_000, -500_000, -1_500_000, 1_500_001].map(amounts).to_vec();
    assert_eq!(rounded, [0, 2, 2, 0, -2, 2]);
}

#[test]
fn lines_may_differ_a_little_from_the_total() {
    let purchase = split(&Receipt { total_amount: 274_650, ..receipt() });
    assert_eq!((purchase.items_total, purchase.items_difference), (274_700, 50));
}

#[test]
fn the_sign_of_the_total_tells_what_it_is() {
    let kind = |sign: i64| {
        let items = vec![item("milk", "groceries", sign * 1_000_000, 109_900)];
        split(&Receipt { items, total_amount: sign * 109_900, nds_amount: sign * 9_900, ..receipt() }).kind
    };
    assert_eq!([kind(1), kind(0), kind(-1)], [ReceiptKind::Purchase, ReceiptKind::Zero, ReceiptKind::Return]);
}

#[test]
fn a_purchase_says_where_it_comes_from() {
    let purchase = split(&receipt());
    let expected = context(&receipt(), 7);
    assert_eq!((purchase.event_id, purchase.trn_id), (expected.event_id, expected.trn_id));
    assert_eq!(purchase.source, expected.source);
    assert_eq!((purchase.occurred_at, purchase.received_at), (receipt().occurred_at, receipt().received_at));
}
