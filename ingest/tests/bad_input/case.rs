//! One case: what is sent, and what has to come of it.

use crate::support::{Answer, CARD, Running};
use http::Method;
use millrace_schemas::Topic;
use serde_json::Value as Json;

pub const TRANSACTIONS: &str = "/api/v1/transactions";
pub const RECEIPTS: &str = "/api/v1/receipts";

/// What the answer says beside its status.
pub enum Told {
    /// A problem with this code and no place.
    Code(&'static str),
    /// A problem with these paths and codes.
    Errors(Vec<(&'static str, &'static str)>),
    /// Results with these statuses, and the paths and codes of their errors.
    Results(Vec<(&'static str, Vec<(&'static str, &'static str)>)>),
}

/// What is wrong with an item that has no fields: time is read first.
macro_rules! missing {
    ($item:literal) => {
        missing!($item: "timestamp", "customer_id", "transaction_id", "amount", "currency", "type", "merchant_id", "card_bin", "ip_address", "device_id", "location", "channel")
    };
    ($item:literal: $($field:literal),+) => {
        vec![$((concat!($item, "/", $field), "missing")),+]
    };
}
pub(crate) use missing;

pub struct Case {
    pub name: String,
    pub path: &'static str,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Vec<u8>,
    pub status: u16,
    pub told: Told,
}

impl Case {
    pub fn new(name: &str, content_type: &'static str, body: impl Into<Vec<u8>>, status: u16, told: Told) -> Self {
        // Answers are compared as JSON whatever was sent.
        let headers = vec![("content-type", content_type), ("accept", "application/json")];
        Self { name: name.to_owned(), path: TRANSACTIONS, headers, body: body.into(), status, told }
    }

    pub fn json(name: &str, body: impl ToString, status: u16, told: Told) -> Self {
        Self::new(name, "application/json", body.to_string(), status, told)
    }

    pub fn xml(name: &str, body: impl Into<Vec<u8>>, status: u16, told: Told) -> Self {
        Self::new(name, "application/xml", body, status, told)
    }

    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        self
    }

    pub fn receipts(mut self) -> Self {
        self.path = RECEIPTS;
        self
    }
}

/// Sends a case to a gateway of its own, with small limits.
pub async fn check(case: &Case) -> Result<(), String> {
    let gateway = Running::start_with(|config| {
        config.body_max_bytes = 100_000;
        config.decoded_max_bytes = 200_000;
        config.items_max = 20;
        config.depth_max = 8;
        config.values_max = 2_000;
    })
    .await;
    gateway.log.set_bytes_max(20_000);
    let answer = gateway.client.send(Method::POST, case.path, &case.headers, case.body.clone()).await;
    let log = gateway.log.clone();
    gateway.stop().await;
    if answer.status != case.status {
        return Err(format!("answered {}: {}", answer.status, answer.text));
    }
    let json = answer.json();
    told(&json, &case.told)?;
    if answer.text.contains(CARD) || log.text().contains(CARD) {
        return Err("a card number was repeated or stored".into());
    }
    let requests = log.of(Topic::Requests);
    let [request] = requests.as_slice() else { return Err(format!("{} requests events", requests.len())) };
    if request.event["http_status"] != case.status {
        return Err(format!("the requests event says {}", request.event["http_status"]));
    }
    let accepted = log.count(Topic::Transactions) + log.count(Topic::Receipts);
    let (accepts, letters) = expected_records(case);
    if (accepted, log.count(Topic::DeadLetters)) != (accepts, letters) {
        return Err(format!("{accepted} records and {} dead letters", log.count(Topic::DeadLetters)));
    }
    Ok(())
}

fn told(json: &Json, told: &Told) -> Result<(), String> {
    match told {
        Told::Code(code) if json["code"] == *code && json["errors"].is_null() => Ok(()),
        Told::Errors(errors) if Answer::errors(&json["errors"]) == owned(errors) => Ok(()),
        Told::Results(results) => {
            let answered: Vec<(String, Vec<(String, String)>)> =
                json["results"].as_array().map_or_else(Vec::new, |all| {
                    all.iter()
                        .map(|one| (one["status"].as_str().unwrap_or_default().into(), Answer::errors(&one["errors"])))
                        .collect()
                });
            let expected: Vec<(String, Vec<(String, String)>)> =
                results.iter().map(|(status, errors)| ((*status).to_owned(), owned(errors))).collect();
            if answered == expected { Ok(()) } else { Err(json.to_string()) }
        }
        Told::Code(_) | Told::Errors(_) => Err(json.to_string()),
    }
}

fn owned(errors: &[(&str, &str)]) -> Vec<(String, String)> {
    errors.iter().map(|(path, code)| ((*path).to_owned(), (*code).to_owned())).collect()
}

/// How many records the journals and the dead letters get.
fn expected_records(case: &Case) -> (usize, usize) {
    match &case.told {
        Told::Results(results) => {
            let count = |names: &[&str]| results.iter().filter(|(status, _)| names.contains(status)).count();
            (count(&["accepted"]), count(&["invalid", "conflict", "too_large"]))
        }
        // Nothing is nothing to keep.
        Told::Code("empty_body") => (0, 0),
        Told::Code(_) | Told::Errors(_) => (0, 1),
    }
}
