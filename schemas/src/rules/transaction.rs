//! Rules of transactions.

use super::{
    CARD_BIN_DIGITS, Found, ID_MAX, LATITUDE_MAX, LONGITUDE_MAX, Path, RISK_MAX, SEGMENTS_MAX, TEXT_MAX, card,
};
use crate::event::Transaction;
use std::net::IpAddr;

pub(super) fn check(t: &Transaction, found: &mut Found) {
    found.text(Path::field("customer_id"), &t.customer_id, ID_MAX);
    found.text(Path::field("transaction_id"), &t.transaction_id, ID_MAX);
    amount(t, found);
    found.currency(&t.currency);
    if t.transaction_type < 0 {
        found.add(Path::field("type"), "negative", "must not be negative");
    }
    found.text(Path::field("merchant_id"), &t.merchant_id, ID_MAX);
    if !CARD_BIN_DIGITS.contains(&t.card_bin.len()) || !t.card_bin.bytes().all(|b| b.is_ascii_digit()) {
        found.add(Path::field("card_bin"), "bad_card_bin", "must be the first 6 to 8 digits of the card");
    }
    if t.ip_address.parse::<IpAddr>().is_err() {
        found.add(Path::field("ip_address"), "bad_ip_address", "must be an IPv4 or IPv6 address");
    }
    found.text(Path::field("device_id"), &t.device_id, ID_MAX);
    found.text(Path::field("location"), &t.location, TEXT_MAX);
    found.text(Path::field("channel"), &t.channel, ID_MAX);
    for (name, value) in [
        ("merchant_risk_score", t.merchant_risk_score),
        ("card_risk_score", t.card_risk_score),
        ("customer_risk_score", t.customer_risk_score),
    ] {
        found.within(Path::field(name), value, 0.0, RISK_MAX);
    }
    segments(t, found);
    found.optional_text(Path::field("transaction_category"), t.transaction_category.as_deref(), ID_MAX);
    card_id(t, found);
    found.within(Path::field("latitude"), t.latitude, -LATITUDE_MAX, LATITUDE_MAX);
    found.within(Path::field("longitude"), t.longitude, -LONGITUDE_MAX, LONGITUDE_MAX);
    found.optional_text(Path::field("merchant_category"), t.merchant_category.as_deref(), ID_MAX);
    found.extra(&Path::root(), &t.extra);
}

fn amount(t: &Transaction, found: &mut Found) {
    if t.amount < 0 {
        found.add(Path::field("amount"), "negative_amount", "must not be negative");
    }
    found.money_within(Path::field("amount"), t.amount);
}

fn segments(t: &Transaction, found: &mut Found) {
    let path = Path::field("customer_segments");
    if t.customer_segments.len() > SEGMENTS_MAX {
        found.add(path, "too_many_entries", format!("must have at most {SEGMENTS_MAX} entries"));
        return;
    }
    for (index, segment) in t.customer_segments.iter().enumerate() {
        found.text(path.clone().then(index), segment, ID_MAX);
    }
}

fn card_id(t: &Transaction, found: &mut Found) {
    found.optional_text(Path::field("card_id"), t.card_id.as_deref(), ID_MAX);
    if t.card_id.as_deref().is_some_and(card::is_card_number) {
        found.add(Path::field("card_id"), "card_data", "must be a token, not the card's number");
    }
}
