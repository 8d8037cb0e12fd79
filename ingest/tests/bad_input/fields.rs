//! Fields of one record that are missing, of another type, or break a rule.

use crate::{
    case::{Case, Told, missing},
    support::{CARD, receipt, transaction, with, xml},
};
use serde_json::{Value as Json, json};

pub fn cases() -> Vec<Case> {
    [types(), money(), rules(), times(), cards(), receipts()].into_iter().flatten().collect()
}

/// A transaction with a change that breaks one field.
fn broken(name: &str, change: Json, path: &'static str, code: &'static str) -> Case {
    Case::json(name, with(transaction(), change), 422, Told::Errors(vec![(path, code)]))
}

/// The text of a transaction with an amount of these digits.
fn amount(name: &str, digits: &str, code: &'static str) -> Case {
    Case::json(name, transaction().to_string().replace("10.99", digits), 422, Told::Errors(vec![("/amount", code)]))
}

fn types() -> Vec<Case> {
    vec![
        Case::json("an empty object", "{}", 422, Told::Errors(missing!(""))),
        broken("a missing field", json!({"customer_id": null}), "/customer_id", "missing"),
        Case::json(
            "null for a required field",
            transaction().to_string().replace("\"c-1\"", "null"),
            422,
            Told::Errors(vec![("/customer_id", "missing")]),
        ),
        broken("a number for an id", json!({"customer_id": 17}), "/customer_id", "wrong_type"),
        broken("an object for a text", json!({"location": {"city": "Berlin"}}), "/location", "wrong_type"),
        broken("a string for an integer", json!({"type": "55"}), "/type", "wrong_type"),
        broken("a fraction for an integer", json!({"type": 55.5}), "/type", "wrong_type"),
        broken("an integer of more than 32 bits", json!({"type": 2_147_483_648_i64}), "/type", "too_large"),
        broken("a string for a flag", json!({"is_fraud": "true"}), "/is_fraud", "wrong_type"),
        broken("a string for a risk", json!({"card_risk_score": "0.5"}), "/card_risk_score", "wrong_type"),
        broken("a text for a list", json!({"customer_segments": "gold"}), "/customer_segments", "wrong_type"),
        broken(
            "a number in a list of texts",
            json!({"customer_segments": ["a", 1]}),
            "/customer_segments/1",
            "wrong_type",
        ),
    ]
}

fn money() -> Vec<Case> {
    vec![
        broken("a flag for money", json!({"amount": true}), "/amount", "wrong_type"),
        broken("words for money", json!({"amount": "ten"}), "/amount", "not_a_number"),
        broken("money with a comma", json!({"amount": "10,99"}), "/amount", "not_a_number"),
        broken("NaN as a string", json!({"amount": "NaN"}), "/amount", "not_a_number"),
        broken("Infinity as a string", json!({"amount": "Infinity"}), "/amount", "not_a_number"),
        amount("money with five fraction digits", "10.99001", "too_precise"),
        amount("money that a binary float would round", "0.00000000000000000000001", "too_precise"),
        amount("money of a million digits", &"9".repeat(90_000), "too_large"),
        amount("money with a huge exponent", "1e999999999", "too_large"),
        amount("more money than there is", "1000000000000.01", "too_large"),
        Case::json(
            "a risk that is no finite number",
            transaction().to_string().replacen('{', "{\"card_risk_score\":1e999,", 1),
            422,
            Told::Errors(vec![("/card_risk_score", "too_large")]),
        ),
        Case::xml(
            "NaN in XML",
            xml("transaction", &transaction()).replace("10.99", "NaN"),
            422,
            Told::Errors(vec![("/transaction/amount", "not_a_number")]),
        ),
        Case::xml(
            "an entry of another name in XML",
            xml("transaction", &transaction())
                .replace("<amount>", "<customer_segments><s>a</s></customer_segments><amount>"),
            422,
            Told::Errors(vec![("/transaction/customer_segments/item[1]", "unexpected_element")]),
        ),
        Case::json(
            "several errors at once",
            with(transaction(), json!({"amount": -1, "currency": "usd", "channel": 5})),
            422,
            Told::Errors(vec![
                ("/channel", "wrong_type"),
                ("/amount", "negative_amount"),
                ("/currency", "unknown_currency"),
            ]),
        ),
    ]
}

fn rules() -> Vec<Case> {
    let many: serde_json::Map<String, Json> = (0..65).map(|n| (format!("f{n}"), json!(n))).collect();
    vec![
        broken("an empty id", json!({"transaction_id": ""}), "/transaction_id", "empty"),
        broken("an id that is too long", json!({"transaction_id": "x".repeat(129)}), "/transaction_id", "too_long"),
        broken("a control character", json!({"location": "a\u{7}b"}), "/location", "control_character"),
        broken("a negative amount", json!({"amount": -0.01}), "/amount", "negative_amount"),
        broken("an unknown currency", json!({"currency": "EUX"}), "/currency", "unknown_currency"),
        broken("a currency in lower case", json!({"currency": "eur"}), "/currency", "unknown_currency"),
        broken("an address that is none", json!({"ip_address": "10.0.0.256"}), "/ip_address", "bad_ip_address"),
        broken("a bin that is too short", json!({"card_bin": "4111"}), "/card_bin", "bad_card_bin"),
        broken("a risk above one", json!({"merchant_risk_score": 1.01}), "/merchant_risk_score", "out_of_range"),
        broken("a latitude beyond the pole", json!({"latitude": 90.1}), "/latitude", "out_of_range"),
        broken("an unknown field that is too long", json!({"note": "x".repeat(5_000)}), "/note", "too_long"),
        broken(
            "an unknown field whose name is too long",
            json!({("n".repeat(200)): 1}),
            Box::leak(format!("/{}...", "n".repeat(128)).into_boxed_str()),
            "too_long",
        ),
        broken("too many unknown fields", Json::Object(many), "", "too_many_fields"),
    ]
}

fn times() -> Vec<Case> {
    let at = |name: &str, time: &str, code: &'static str| broken(name, json!({"timestamp": time}), "/timestamp", code);
    vec![
        at("a date without a time", "2026-11-20", "bad_timestamp"),
        at("a day that does not exist", "2026-02-30T12:00:00Z", "bad_timestamp"),
        at("an hour that does not exist", "2026-11-20T25:00:00Z", "bad_timestamp"),
        at("an offset that does not exist", "2026-11-20T12:00:00+99:00", "bad_timestamp"),
        at("a year out of range", "99999-01-01T00:00:00Z", "bad_timestamp"),
        at("a time in words", "yesterday", "bad_timestamp"),
        at("a time before 1970", "1969-12-31T23:59:59Z", "timestamp_out_of_range"),
        at("a time too far ahead", "2026-11-21T12:00:01Z", "timestamp_in_future"),
        broken("a number for a time", json!({"timestamp": 1_795_176_000}), "/timestamp", "wrong_type"),
    ]
}

fn cards() -> Vec<Case> {
    let spaced = "4111 1111-1111 1111";
    vec![
        broken("a field named like a card number", json!({"card_number": CARD}), "/card_number", "card_data"),
        broken("a field named like a security code", json!({"CVV": "123"}), "/CVV", "card_data"),
        broken(
            "a security code further down",
            json!({"payment": {"card": [{"cvc2": 123}]}}),
            "/payment/card/0/cvc2",
            "card_data",
        ),
        broken("a card number in an unknown field", json!({"note": CARD}), "/note", "card_data"),
        broken("a card number in groups", json!({"note": format!("paid by {spaced}")}), "/note", "card_data"),
        broken("a card number as a number", json!({"note": 4_111_111_111_111_111_i64}), "/note", "card_data"),
        broken("a card number as a field's name", json!({(CARD): true}), "/[redacted]", "card_data"),
        broken("a card number as the card's token", json!({"card_id": CARD}), "/card_id", "card_data"),
        broken("a card number as the bin", json!({"card_bin": CARD}), "/card_bin", "bad_card_bin"),
        Case::xml(
            "a card number in XML",
            xml("transaction", &with(transaction(), json!({"pan": CARD}))),
            422,
            Told::Errors(vec![("/transaction/pan", "card_data")]),
        ),
        Case::json(
            "a card number beside a missing field",
            with(transaction(), json!({"amount": null, "note": CARD})),
            422,
            Told::Errors(vec![("/amount", "missing"), ("/note", "card_data")]),
        ),
    ]
}

fn receipts() -> Vec<Case> {
    let broken = |name: &str, change: Json, errors: Vec<(&'static str, &'static str)>| {
        Case::json(name, with(receipt(), change), 422, Told::Errors(errors)).receipts()
    };
    let item = |change: Json| {
        let first = with(receipt()["items"][0].clone(), change);
        json!({"items": [first, receipt()["items"][1].clone()]})
    };
    vec![
        broken("a receipt without items", json!({"items": null}), vec![("/items", "missing")]),
        broken(
            "a receipt with an empty list of items",
            json!({"items": []}),
            vec![("/items", "no_items"), ("/total_amount", "total_mismatch")],
        ),
        broken(
            "an item that is no object",
            json!({"items": [17]}),
            vec![
                ("/items/0", "wrong_type"),
                ("/items/0/product_id", "missing"),
                ("/items/0/quantity", "missing"),
                ("/items/0/price", "missing"),
                ("/items/0/category", "missing"),
            ],
        ),
        broken("an item without a price", item(json!({"price": null})), vec![("/items/0/price", "missing")]),
        broken(
            "a quantity with seven fraction digits",
            item(json!({"quantity": "2.0000001"})),
            vec![("/items/0/quantity", "too_precise")],
        ),
        broken(
            "a quantity of zero",
            item(json!({"quantity": 0})),
            vec![("/items/0/quantity", "zero_quantity"), ("/total_amount", "total_mismatch")],
        ),
        broken(
            "a negative quantity on a purchase",
            item(json!({"quantity": -2})),
            vec![("/items/0/quantity", "negative_quantity"), ("/total_amount", "total_mismatch")],
        ),
        broken(
            "a negative price",
            item(json!({"price": "-10.99"})),
            vec![("/items/0/price", "negative_price"), ("/total_amount", "total_mismatch")],
        ),
        broken(
            "a total that does not add up",
            json!({"total_amount": 27.49}),
            vec![("/total_amount", "total_mismatch")],
        ),
        broken("more VAT than the total", json!({"nds_amount": 30}), vec![("/nds_amount", "vat_out_of_range")]),
        broken("negative tips", json!({"tips_amount": -1}), vec![("/tips_amount", "negative_tips")]),
        broken("a card number in an item", item(json!({"paid_with": CARD})), vec![("/items/0/paid_with", "card_data")]),
        Case::xml(
            "a bad price in XML",
            xml("receipt", &with(receipt(), item(json!({"price": "free"})))),
            422,
            Told::Errors(vec![("/receipt/items/item[1]/price", "not_a_number")]),
        )
        .receipts(),
    ]
}
