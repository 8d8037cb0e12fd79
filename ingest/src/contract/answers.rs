//! What is answered.

use super::reference;
use crate::answer::Status;
use serde_json::{Map, Value as Json, json};

/// Schemas by name.
pub(super) fn schemas() -> Map<String, Json> {
    let statuses: Vec<&str> =
        [Status::Accepted, Status::Duplicate, Status::Conflict, Status::Invalid, Status::TooLarge, Status::Retry]
            .map(Status::name)
            .to_vec();
    let all = json!({
        "FieldError": {
            "type": "object",
            "required": ["path", "code", "message"],
            "properties": {
                "path": {"type": "string", "description": "JSON pointer or XPath of the field; empty for the whole."},
                "code": {"type": "string", "description": "Stable code."},
                "message": {"type": "string"},
            },
        },
        "Problem": {
            "type": "object",
            "description": "Why a request is refused: RFC 9457.",
            "required": ["type", "title", "status", "detail", "code", "request_id", "timestamp", "trn_status"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string", "description": "What is wrong, and what to do."},
                "code": {"type": "string", "description": "Stable code."},
                "request_id": {"type": "string"},
                "trn_id": {"type": "string"},
                "timestamp": {"type": "string"},
                "trn_status": {"const": "Error"},
                "errors": {"type": "array", "items": reference("FieldError")},
            },
        },
        "ItemAnswer": {
            "type": "object",
            "description": "What became of one item.",
            "required": ["trn_id", "timestamp", "trn_status", "status"],
            "properties": item(&statuses),
        },
        "BatchAnswer": {
            "type": "object",
            "description": "What became of each item, in the order they were sent.",
            "required": ["request_id", "accepted", "duplicates", "rejected", "retry", "results"],
            "properties": {
                "request_id": {"type": "string"},
                "accepted": count(), "duplicates": count(), "rejected": count(), "retry": count(),
                "results": {"type": "array", "items": reference("ItemAnswer")},
            },
        },
        "Reason": {
            "type": "object",
            "required": ["code", "text", "feature", "value", "contribution"],
            "properties": {
                "code": {"type": "string"}, "text": {"type": "string"}, "feature": {"type": "string"}, "value": {"type": "number"},
                "contribution": {"type": "number", "description": "What it adds to the log-odds of fraud."},
            },
        },
        "ScoreAnswer": {
            "type": "object",
            "description": "A transaction's score; the default where none came in time.",
            "required": [
                "request_id", "customer_id", "transaction_id", "scoring", "is_fraud", "decision", "decision_source", "reasons",
                "processing_time_ms", "processed_at", "trn_id", "timestamp", "trn_status", "status",
            ],
            "properties": score(&statuses),
        },
        "StoredReceipt": {
            "type": "object",
            "description": "A receipt as it is stored, with its ids. Times are UTC; unknown fields stand beside the known ones.",
            "required": [
                "transaction_id", "timestamp", "place_id", "place_name", "items", "total_amount", "nds_amount", "tips_amount",
                "currency", "payment_method", "trn_id", "trn_status", "status", "received_at",
            ],
            "properties": {
                "transaction_id": {"type": "string"}, "timestamp": {"type": "string"}, "place_id": {"type": "string"},
                "place_name": {"type": "string"},
                "items": {"type": "array", "items": {"type": "object"}},
                "total_amount": {"type": "number"}, "nds_amount": {"type": "number"}, "tips_amount": {"type": "number"},
                "currency": {"type": "string"}, "payment_method": {"type": "string"},
                "payment_transaction_id": {"type": "string"}, "trn_id": {"type": "string", "format": "uuid"},
                "trn_status": {"type": "string"}, "status": {"type": "string", "enum": statuses},
                "received_at": {"type": "string", "format": "date-time"}, "event_id": {"type": "string", "format": "uuid"},
                "partition": position("Partition of the journal."), "offset": position("Offset in it."),
                "timestamp_resolution": {"type": "string"},
            },
        },
    });
    all.as_object().cloned().unwrap_or_default()
}

fn count() -> Json {
    json!({"type": "integer", "minimum": 0})
}

fn position(about: &str) -> Json {
    json!({"type": "integer", "minimum": 0, "description": about})
}

fn item(statuses: &[&str]) -> Map<String, Json> {
    let all = json!({
        "index": count(),
        "request_id": {"type": "string"},
        "customer_id": {"type": "string"}, "place_id": {"type": "string"},
        "transaction_id": {"type": "string"}, "label_id": {"type": "string"},
        "event_id": {"type": "string", "format": "uuid"},
        "trn_id": {"type": ["string", "null"], "description": "Id across systems; null where the item has no ids."},
        "timestamp": {"type": "string", "format": "date-time"},
        "trn_status": {"type": "string", "enum": ["Ok", "Error"]},
        "status": {"type": "string", "enum": statuses},
        "duplicate": {"const": true},
        "partition": position("Partition of the journal; with the offset a min_offset for questions."),
        "offset": position("Offset in it."),
        "timestamp_resolution": {"type": "string"},
        "errors": {"type": "array", "items": reference("FieldError")},
    });
    all.as_object().cloned().unwrap_or_default()
}

fn score(statuses: &[&str]) -> Map<String, Json> {
    let mut fields = item(statuses);
    let own = json!({
        "event_id": {"type": ["string", "null"]},
        "scoring": {"type": "number", "minimum": 0, "maximum": 1},
        "is_fraud": {"type": ["boolean", "null"], "description": "Whether it is decided block; null while only the default is known."},
        "decision": {"type": "string", "enum": ["allow", "review", "block"]},
        "decision_source": {"type": "string", "enum": ["model", "rules", "default"]},
        "reasons": {"type": "array", "items": reference("Reason")},
        "model": {"type": ["string", "null"]},
        "configuration": {"type": ["string", "null"]},
        "processing_time_ms": {"type": "number"},
        "processed_at": {"type": "string", "format": "date-time"},
        "score_url": {"type": ["string", "null"], "description": "Where the score will be, when only the default is known."},
    });
    fields.extend(own.as_object().cloned().unwrap_or_default());
    for hours in ["3h", "6h", "12h", "24h"] {
        fields.insert(format!("customer_transaction_count_{hours}"), json!({"type": ["integer", "null"]}));
        fields.insert(format!("customer_avg_amount_{hours}"), json!({"type": ["number", "null"]}));
    }
    fields.remove("index");
    fields.remove("errors");
    fields
}
