//! Rules of receipts.

use super::{Found, ID_MAX, ITEMS_MAX, Path, QUANTITY_MAX, Rules, TEXT_MAX};
use crate::{
    event::{Receipt, ReceiptItem},
    money::{format_money, line_amount},
};

/// A hundred percent, in ten-thousandths.
const NDS_RATE_MAX: i64 = 100 * crate::money::MONEY_UNIT;

pub(super) fn check(r: &Receipt, rules: &Rules, found: &mut Found) {
    found.text(Path::field("place_id"), &r.place_id, ID_MAX);
    found.text(Path::field("transaction_id"), &r.transaction_id, ID_MAX);
    found.text(Path::field("place_name"), &r.place_name, TEXT_MAX);
    items(r, found);
    found.money_within(Path::field("total_amount"), r.total_amount);
    total(r, rules, found);
    vat(r, found);
    if r.tips_amount < 0 {
        found.add(Path::field("tips_amount"), "negative_tips", "must not be negative");
    }
    found.money_within(Path::field("tips_amount"), r.tips_amount);
    found.currency(&r.currency);
    found.text(Path::field("payment_method"), &r.payment_method, ID_MAX);
    found.optional_text(Path::field("payment_transaction_id"), r.payment_transaction_id.as_deref(), ID_MAX);
    original(r, found);
    found.extra(&Path::root(), &r.extra);
}

/// A return may say which receipt its goods were on; that is another one, and one that a return can be of.
fn original(r: &Receipt, found: &mut Found) {
    let path = Path::field("original_transaction_id");
    found.optional_text(path.clone(), r.original_transaction_id.as_deref(), ID_MAX);
    if r.original_transaction_id.is_some() && r.total_amount >= 0 {
        let total = format_money(r.total_amount);
        found.add(
            path,
            "original_of_no_return",
            format!("only a return has one, with a negative total; this is {total}"),
        );
    } else if r.original_transaction_id.as_deref() == Some(r.transaction_id.as_str()) {
        found.add(path, "original_is_itself", "must name another receipt");
    }
}

fn items(r: &Receipt, found: &mut Found) {
    let path = Path::field("items");
    if r.items.is_empty() {
        found.add(path, "no_items", "must have at least one entry");
    } else if r.items.len() > ITEMS_MAX {
        found.add(path, "too_many_entries", format!("must have at most {ITEMS_MAX} entries"));
    } else {
        for (index, item) in r.items.iter().enumerate() {
            check_item(item, &path.clone().then(index), r.total_amount < 0, found);
        }
    }
}

/// A return has a negative total and may have negative quantities; a price is never negative.
fn check_item(item: &ReceiptItem, path: &Path, is_return: bool, found: &mut Found) {
    found.text(path.clone().then("product_id"), &item.product_id, ID_MAX);
    let quantity = path.clone().then("quantity");
    if item.quantity == 0 {
        found.add(quantity, "zero_quantity", "must not be zero");
    } else if item.quantity < 0 && !is_return {
        found.add(
            quantity,
            "negative_quantity",
            "must not be negative unless the receipt is a return, with a negative total",
        );
    } else if item.quantity.unsigned_abs() > QUANTITY_MAX.unsigned_abs() {
        found.add(quantity, "too_large", "must not exceed 1000000000 units");
    }
    let price = path.clone().then("price");
    if item.price < 0 {
        found.add(price, "negative_price", "must not be negative; a return has negative quantities");
    } else {
        found.money_within(price, item.price);
    }
    found.text(path.clone().then("category"), &item.category, ID_MAX);
    if item.nds_rate.is_some_and(|rate| !(0..=NDS_RATE_MAX).contains(&rate)) {
        found.add(path.clone().then("nds_rate"), "out_of_range", "must lie between 0 and 100 percent");
    }
    found.extra(path, &item.extra);
}

/// Each line's amount is rounded half to even to ten-thousandths; their sum lies within the tolerance of the total.
fn total(r: &Receipt, rules: &Rules, found: &mut Found) {
    let sum = r.items.iter().try_fold(0i64, |sum, item| sum.checked_add(line_amount(item.quantity, item.price)?));
    let path = Path::field("total_amount");
    match sum {
        None => found.add(path, "too_large", "the sum of the items is too large"),
        Some(sum) if sum.abs_diff(r.total_amount) > rules.total_tolerance.unsigned_abs() => found.add(
            path,
            "total_mismatch",
            format!(
                "is {} but the items sum to {}; they may differ by at most {}",
                format_money(r.total_amount),
                format_money(sum),
                format_money(rules.total_tolerance)
            ),
        ),
        Some(_) => {}
    }
}

fn vat(r: &Receipt, found: &mut Found) {
    let opposite_sign = r.nds_amount.signum() * r.total_amount.signum() < 0;
    if opposite_sign || r.nds_amount.unsigned_abs() > r.total_amount.unsigned_abs() {
        let message = format!("must lie between 0 and the total, {}", format_money(r.total_amount));
        found.add(Path::field("nds_amount"), "vat_out_of_range", message);
    }
}
