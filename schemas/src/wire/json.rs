//! Decoded data as JSON for people: numbers stay integers, bytes become text where they are text.

use apache_avro::types::Value;
use serde_json::{Map, Number, Value as Json};

/// An Avro value as JSON. Bytes that are not UTF-8 become `0x...`; timestamps stay epoch milliseconds.
pub fn to_json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(b) => Json::Bool(b),
        Value::Int(i) | Value::Date(i) | Value::TimeMillis(i) => Json::from(i),
        Value::Long(i)
        | Value::TimeMicros(i)
        | Value::TimestampMillis(i)
        | Value::TimestampMicros(i)
        | Value::TimestampNanos(i)
        | Value::LocalTimestampMillis(i)
        | Value::LocalTimestampMicros(i)
        | Value::LocalTimestampNanos(i) => Json::from(i),
        Value::Float(x) => Number::from_f64(f64::from(x)).map_or(Json::Null, Json::Number),
        Value::Double(x) => Number::from_f64(x).map_or(Json::Null, Json::Number),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => Json::String(text_or_hex(bytes)),
        Value::String(text) | Value::Enum(_, text) => Json::String(text),
        Value::Union(_, inner) => to_json(*inner),
        Value::Array(items) => Json::Array(items.into_iter().map(to_json).collect()),
        Value::Map(entries) => {
            let sorted: std::collections::BTreeMap<_, _> = entries.into_iter().collect();
            Json::Object(sorted.into_iter().map(|(name, value)| (name, to_json(value))).collect())
        }
        Value::Record(fields) => {
            Json::Object(fields.into_iter().map(|(name, value)| (name, to_json(value))).collect::<Map<_, _>>())
        }
        other => Json::String(format!("{other:?}")),
    }
}

fn text_or_hex(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        error.as_bytes().iter().fold("0x".to_owned(), |mut text, byte| {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
    })
}
