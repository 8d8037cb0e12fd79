//! Facts about the log itself: requests, schemas and what operators want.

use super::FieldError;
use serde::{Deserialize, Serialize};

/// Code of a request whose client was answered without the score, which had not come in time.
pub const DEFAULT_SCORE_CODE: &str = "default_score";

/// Answer for one item of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemResult {
    /// Position in the request, from 0.
    pub index: i32,
    /// Id of the item across systems; null when it could not be derived.
    pub trn_id: Option<String>,
    /// accepted, duplicate, conflict, invalid, too_large or retry.
    pub status: String,
    /// Partition of the journal that took it.
    pub partition: Option<i32>,
    /// Offset in that partition.
    pub offset: Option<i64>,
    /// What is wrong with it.
    pub errors: Vec<FieldError>,
}

/// Audit of a refused request or of a batch, with its answer for each item. Keyed by request_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Id of this event.
    pub event_id: String,
    /// Id of the request, as in the answer's x-request-id header.
    pub request_id: String,
    /// When the request arrived.
    pub received_at: i64,
    /// HTTP method of the request.
    pub method: String,
    /// Path requested, without its query.
    pub path: String,
    /// Client's address.
    pub client: String,
    /// Client's User-Agent.
    pub user_agent: Option<String>,
    /// Media type as sent.
    pub content_type: Option<String>,
    /// Content encoding as sent.
    pub content_encoding: Option<String>,
    /// Bytes of the body read, after decompression.
    pub body_bytes: i64,
    /// Status answered.
    pub http_status: i32,
    /// Stable code when the request was refused as a whole.
    pub code: Option<String>,
    /// The refusal in words.
    pub message: Option<String>,
    /// Items accepted.
    pub accepted: i32,
    /// Items that were duplicates.
    pub duplicates: i32,
    /// Items refused.
    pub rejected: i32,
    /// One per item, in the request's order.
    pub results: Vec<ItemResult>,
}

/// A schema used in the log. Keyed by its id. Its own encoding never changes, so that the log can be decoded without a registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SchemaRecord {
    /// Id in the Confluent wire format.
    pub id: i32,
    /// Subject it is registered under.
    pub subject: String,
    /// The Avro schema as JSON text.
    pub schema: String,
}

/// Whether a worker works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlState {
    /// `running`: it reads and writes.
    Running,
    /// `paused`: it keeps its place in the group and reads nothing.
    Paused,
}

/// What an operator wants of a worker. Keyed by the worker's name; the last one holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// Id of this event.
    pub event_id: String,
    /// Processor or projection: scoring, receipts, clickhouse.
    pub worker: String,
    /// running: it reads and writes; paused: it keeps its place in the group and reads nothing.
    pub state: ControlState,
    /// When the operator said so, by the operator's clock.
    pub since: i64,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}
