//! Batches in which some items are bad: their neighbours are taken.

use crate::{
    case::{Case, Told, missing},
    support::{CARD, numbered, receipt, transaction, with, xml},
};
use serde_json::{Value as Json, json};

const NDJSON: &str = "application/x-ndjson";

fn batch(items: &[Json]) -> String {
    Json::from(items.to_vec()).to_string()
}

fn joined(items: &[&str]) -> String {
    items.join("\n")
}

pub fn cases() -> Vec<Case> {
    [items(), ids(), lines(), elements()].into_iter().flatten().collect()
}

/// A good item's result.
fn ok() -> (&'static str, Vec<(&'static str, &'static str)>) {
    ("accepted", vec![])
}

/// An item whose amount is none.
fn bad() -> Json {
    with(numbered(2), json!({"amount": "x"}))
}

/// Items of which some are no valid events.
fn items() -> Vec<Case> {
    let card = with(numbered(4), json!({"note": CARD}));
    let (one, two) = (numbered(1), numbered(2).to_string());
    vec![
        Case::json(
            "a batch with one bad item",
            batch(&[numbered(1), bad(), numbered(3)]),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/1/amount", "not_a_number")]), ok()]),
        ),
        Case::json(
            "a batch of bad items",
            batch(&[bad(), json!(17), Json::Null]),
            422,
            Told::Results(vec![
                ("invalid", vec![("/0/amount", "not_a_number")]),
                ("invalid", vec![("/1", "wrong_type")]),
                ("invalid", vec![("/2", "wrong_type")]),
            ]),
        ),
        Case::json(
            "one bad item in an array",
            batch(&[bad()]),
            422,
            Told::Results(vec![("invalid", vec![("/0/amount", "not_a_number")])]),
        ),
        Case::json(
            "an array in an array",
            format!("[{one},[{two}]]"),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/1", "wrong_type")])]),
        ),
        Case::json(
            "a card number in a batch",
            batch(&[numbered(1), card]),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/1/note", "card_data")])]),
        ),
        Case::json(
            "an item nested too deep",
            format!("[{one},{{\"x\":{}{}}}]", "[".repeat(90), "]".repeat(90)),
            207,
            Told::Results(vec![ok(), ("invalid", [vec![("/1/x/0/0/0/0/0/0/0", "too_deep")], missing!("/1")].concat())]),
        ),
        Case::json(
            "half a surrogate pair in one item",
            format!("[{one},{}]", two.replace("Berlin", "\\udc00")),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/1", "malformed")])]),
        ),
    ]
}

/// Ids that stand more than once, and items that the broker does not take.
fn ids() -> Vec<Case> {
    let other = with(numbered(1), json!({"amount": 1}));
    let fields: serde_json::Map<String, Json> =
        ["a", "b", "c", "d", "e"].map(|name| (name.to_owned(), json!("x".repeat(4_000)))).into_iter().collect();
    let huge = with(numbered(3), Json::Object(fields));
    vec![
        Case::json(
            "the same item twice",
            batch(&[numbered(1), numbered(1)]),
            202,
            Told::Results(vec![ok(), ("duplicate", vec![])]),
        ),
        Case::json(
            "the same item twice, written differently",
            format!("[{},{}]", numbered(1), numbered(1).to_string().replace("10.99", "\"10.9900\"")),
            202,
            Told::Results(vec![ok(), ("duplicate", vec![])]),
        ),
        Case::json(
            "one id with two contents",
            batch(&[numbered(1), other, numbered(1)]),
            207,
            Told::Results(vec![ok(), ("conflict", vec![("/1", "conflict")]), ("duplicate", vec![])]),
        ),
        Case::json(
            "one id of two customers",
            batch(&[numbered(1), with(numbered(1), json!({"customer_id": "c-2"}))]),
            202,
            Told::Results(vec![ok(), ok()]),
        ),
        Case::json(
            "an item larger than the broker takes",
            batch(&[numbered(1), huge.clone(), numbered(2)]),
            207,
            Told::Results(vec![ok(), ("too_large", vec![("/1", "too_large")]), ok()]),
        ),
        Case::json(
            "an item that is too large leaves its id free",
            batch(&[huge, numbered(3)]),
            207,
            Told::Results(vec![("too_large", vec![("/0", "too_large")]), ok()]),
        ),
    ]
}

/// Lines.
fn lines() -> Vec<Case> {
    let [one, two, three] = [1, 2, 3].map(|number| numbered(number).to_string());
    vec![
        Case::new(
            "lines of which one is not JSON",
            NDJSON,
            joined(&[&one, "{\"a\":", &three]),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/1", "malformed")]), ok()]),
        ),
        Case::new(
            "lines with blank lines and a mark at the start",
            NDJSON,
            joined(&["\u{feff}", &one, "", " \r", &two, "{}", ""]),
            207,
            Told::Results(vec![ok(), ok(), ("invalid", missing!("/2"))]),
        ),
        Case::new(
            "a card number in a line that is not JSON",
            NDJSON,
            joined(&[&one, &format!("{{\"note\": {CARD}")]),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/1", "malformed")])]),
        ),
        Case::new(
            "an array as a line",
            NDJSON,
            joined(&[&one, "[]"]),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/1", "wrong_type")])]),
        ),
    ]
}

/// Elements, and receipts.
fn elements() -> Vec<Case> {
    let element = |record: &Json| xml("transaction", record);
    vec![
        Case::xml(
            "elements of which one is bad",
            format!(
                "<transactions>{}{}{}</transactions>",
                element(&numbered(1)),
                element(&bad()),
                element(&numbered(3))
            ),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/transactions/transaction[2]/amount", "not_a_number")]), ok()]),
        ),
        Case::xml(
            "an element of another kind among others",
            format!("<transactions>{}{}</transactions>", element(&transaction()), xml("receipt", &receipt())),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/transactions/*[2]", "unexpected_element")])]),
        ),
        Case::json(
            "a batch of receipts of which one is bad",
            batch(&[receipt(), with(receipt(), json!({"transaction_id": "r-2", "tips_amount": -1}))]),
            207,
            Told::Results(vec![ok(), ("invalid", vec![("/1/tips_amount", "negative_tips")])]),
        )
        .receipts(),
    ]
}
