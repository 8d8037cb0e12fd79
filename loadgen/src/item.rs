//! One transaction or receipt on its way from a file to the gateway.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What the items of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Card transactions, owned by a customer.
    Transactions,
    /// Purchase receipts, owned by a place.
    Receipts,
}

impl Kind {
    /// Path of the gateway's endpoint.
    pub fn path(self) -> &'static str {
        match self {
            Kind::Transactions => "/api/v1/transactions",
            Kind::Receipts => "/api/v1/receipts",
        }
    }

    /// XML element around several items.
    pub fn list_element(self) -> &'static str {
        match self {
            Kind::Transactions => "transactions",
            Kind::Receipts => "receipts",
        }
    }

    /// XML element of one item.
    pub fn element(self) -> &'static str {
        match self {
            Kind::Transactions => "transaction",
            Kind::Receipts => "receipt",
        }
    }

    /// Field whose value keys the item's topic; items with the same value keep their order there.
    pub fn key_field(self) -> &'static str {
        match self {
            Kind::Transactions => "customer_id",
            Kind::Receipts => "place_id",
        }
    }
}

/// How items are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// A JSON array.
    Json,
    /// One line of JSON an item; a line that is broken harms no other.
    Ndjson,
    /// An XML element an item, within one around all.
    Xml,
}

/// Where an item was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// File as named on the command line.
    pub file: Arc<str>,
    /// First and last line of the item, from 1. Lines of a decompressed file; for rows gathered into one receipt, the first and the
    /// last of them.
    pub lines: (u64, u64),
}

/// One transaction or receipt as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The item's text, without line breaks when it is JSON.
    pub body: Vec<u8>,
    /// Value of [`Kind::key_field`]; `None` when it cannot be read, which is for the gateway to judge.
    pub key: Option<String>,
    /// Where it was read.
    pub origin: Origin,
}

/// Reads one field of a JSON object as text, without building the rest. A number is taken as written.
pub(crate) fn json_field(body: &[u8], field: &str) -> Option<String> {
    // Field names are borrowed from the text unless they hold escapes.
    let fields: std::collections::BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body).ok()?;
    let raw = fields.get(field)?.get();
    match serde_json::from_str(raw).ok()? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_read_whether_it_is_text_or_a_number() {
        assert_eq!(
            json_field(br#"{"a":{"customer_id":"x"},"customer_id":"c 1"}"#, "customer_id").as_deref(),
            Some("c 1")
        );
        assert_eq!(json_field(br#"{"customer_id":17850}"#, "customer_id").as_deref(), Some("17850"));
        assert_eq!(json_field(br#"{"customer_id":"c\u0031"}"#, "customer_id").as_deref(), Some("c1"));
    }

    #[test]
    fn an_unreadable_key_is_none() {
        for body in ["{", "[]", r#"{"customer_id":null}"#, r#"{"other":1}"#, ""] {
            assert_eq!(json_field(body.as_bytes(), "customer_id"), None, "{body}");
        }
    }
}
