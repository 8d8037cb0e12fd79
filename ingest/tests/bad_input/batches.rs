//! Batches in which some items are bad: their neighbours are taken.

use crate::{
    case::{Case, Told},
    support::{CARD, numbered, receipt, transaction, with, xml},
};
use serde_json::{Value as Json, json};

const NDJSON: &str = "application/x-ndjson";

fn batch(items: &[Json]) -> String {
    Json::from(items.to_vec()).to_string()
}

fn lines(items: &[&str]) -> String {
    items.join("\n")
}

pub fn cases() -> Vec<Case> {
    let ok = ("accepted", vec![]);
    let bad = with(numbered(2), json!({"amount": "x"}));
    let other = with(numbered(1), json!({"amount": 1}));
    let huge = with(
        numbered(3),
        json!({"a": "x".repeat(4_000), "b": "x".repeat(4_000), "c": "x".repeat(4_000), "d": "x".repeat(4_000), "e": "x".repeat(4_000)}),
    );
    let card = with(numbered(4), json!({"note": CARD}));
    let (one, two, three) = (numbered(1).to_string(), numbered(2).to_string(), numbered(3).to_string());
    let element = |record: &Json| xml("transaction", record);
    vec![
        Case::json(
            "a batch with one bad item",
            batch(&[numbered(1), bad.clone(), numbered(3)]),
            207,
            Told::Results(vec![ok.clone(), ("invalid", vec![("/1/amount", "not_a_number")]), ok.clone()]),
        ),
        Case::json(
            "a batch of bad items",
            batch(&[bad.clone(), json!(17), Json::Null]),
            422,
            Told::Results(vec![
                ("invalid", vec![("/0/amount", "not_a_number")]),
                ("invalid", vec![("/1", "wrong_type")]),
                ("invalid", vec![("/2", "wrong_type")]),
            ]),
        ),
        Case::json(
            "one bad item in an array",
            batch(std::slice::from_ref(&bad)),
            422,
            Told::Results(vec![("invalid", vec![("/0/amount", "not_a_number")])]),
        ),
        Case::json(
            "an array in an array",
            format!("[{one},[{two}]]"),
            207,
            Told::Results(vec![ok.clone(), ("invalid", vec![("/1", "wrong_type")])]),
        ),
        Case::json(
            "the same item twice",
            batch(&[numbered(1), numbered(1)]),
            202,
            Told::Results(vec![ok.clone(), ("duplicate", vec![])]),
        ),
        Case::json(
            "the same item twice, written differently",
            format!("[{one},{}]", one.replace("10.99", "\"10.9900\"")),
            202,
            Told::Results(vec![ok.clone(), ("duplicate", vec![])]),
        ),
        Case::json(
            "one id with two contents",
            batch(&[numbered(1), other.clone(), numbered(1)]),
            207,
            Told::Results(vec![ok.clone(), ("conflict", vec![("/1", "conflict")]), ("duplicate", vec![])]),
        ),
        Case::json(
            "one id of two customers",
            batch(&[numbered(1), with(numbered(1), json!({"customer_id": "c-2"}))]),
            202,
            Told::Results(vec![ok.clone(), ok.clone()]),
        ),
        Case::json(
            "an item larger than the broker takes",
            batch(&[numbered(1), huge.clone(), numbered(2)]),
            207,
            Told::Results(vec![ok.clone(), ("too_large", vec![("/1", "too_large")]), ok.clone()]),
        ),
        Case::json(
            "an item that is too large leaves its id free",
            batch(&[huge, numbered(3)]),
            207,
            Told::Results(vec![("too_large", vec![("/0", "too_large")]), ok.clone()]),
        ),
        Case::json(
            "a card number in a batch",
            batch(&[numbered(1), card]),
            207,
            Told::Results(vec![ok.clone(), ("invalid", vec![("/1/note", "card_data")])]),
        ),
        Case::json(
            "an item nested too deep",
            format!("[{one},{{\"x\":{}{}}}]", "[".repeat(90), "]".repeat(90)),
            207,
            Told::Results(vec![ok.clone(), ("invalid", deep_errors())]),
        ),
        Case::json(
            "half a surrogate pair in one item",
            format!("[{one},{}]", two.replace("Berlin", "\\udc00")),
            207,
            Told::Results(vec![ok.clone(), ("invalid", vec![("/1", "malformed")])]),
        ),
        Case::new(
            "lines of which one is not JSON",
            NDJSON,
            lines(&[&one, "{\"a\":", &three]),
            207,
            Told::Results(vec![ok.clone(), ("invalid", vec![("/1", "malformed")]), ok.clone()]),
        ),
        Case::new(
            "lines with blank lines and a mark at the start",
            NDJSON,
            lines(&["\u{feff}", &one, "", " \r", &two, "{}", ""]),
            207,
            Told::Results(vec![ok.clone(), ok.clone(), ("invalid", empty_errors())]),
        ),
        Case::new(
            "a card number in a line that is not JSON",
            NDJSON,
            lines(&[&one, &format!("{{\"note\": {CARD}")]),
            207,
            Told::Results(vec![ok.clone(), ("invalid", vec![("/1", "malformed")])]),
        ),
        Case::new(
            "an array as a line",
            NDJSON,
            lines(&[&one, "[]"]),
            207,
            Told::Results(vec![ok.clone(), ("invalid", vec![("/1", "wrong_type")])]),
        ),
        Case::xml(
            "elements of which one is bad",
            format!("<transactions>{}{}{}</transactions>", element(&numbered(1)), element(&bad), element(&numbered(3))),
            207,
            Told::Results(vec![
                ok.clone(),
                ("invalid", vec![("/transactions/transaction[2]/amount", "not_a_number")]),
                ok.clone(),
            ]),
        ),
        Case::xml(
            "an element of another kind among others",
            format!("<transactions>{}{}</transactions>", element(&transaction()), xml("receipt", &receipt())),
            207,
            Told::Results(vec![ok.clone(), ("invalid", vec![("/transactions/*[2]", "unexpected_element")])]),
        ),
        Case::json(
            "a batch of receipts of which one is bad",
            batch(&[receipt(), with(receipt(), json!({"transaction_id": "r-2", "tips_amount": -1}))]),
            207,
            Told::Results(vec![ok, ("invalid", vec![("/1/tips_amount", "negative_tips")])]),
        )
        .receipts(),
    ]
}

/// What is wrong with the second item, which has only a field that is nested too deep.
fn deep_errors() -> Vec<(&'static str, &'static str)> {
    let missing = [
        "/1/timestamp",
        "/1/customer_id",
        "/1/transaction_id",
        "/1/amount",
        "/1/currency",
        "/1/type",
        "/1/merchant_id",
        "/1/card_bin",
        "/1/ip_address",
        "/1/device_id",
        "/1/location",
        "/1/channel",
    ];
    [("/1/x/0/0/0/0/0/0/0", "too_deep")].into_iter().chain(missing.map(|path| (path, "missing"))).collect()
}

/// What is wrong with the third item, which is empty.
fn empty_errors() -> Vec<(&'static str, &'static str)> {
    [
        "/2/timestamp",
        "/2/customer_id",
        "/2/transaction_id",
        "/2/amount",
        "/2/currency",
        "/2/type",
        "/2/merchant_id",
        "/2/card_bin",
        "/2/ip_address",
        "/2/device_id",
        "/2/location",
        "/2/channel",
    ]
    .map(|path| (path, "missing"))
    .to_vec()
}
