//! What is told of items that are stored, or of each item of a batch.

use super::{Counts, Status, TrnStatus, Verdict};
use crate::context::Context;
use millrace_schemas::{
    contract::told::Instant,
    event::{FieldError, TimeResolution},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::ops::Not;
use uuid::Uuid;

/// What became of each item, in the order they were sent.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BatchAnswer<'a> {
    /// Id of the request.
    request_id: &'a str,
    #[serde(flatten)]
    counts: Counts,
    /// One result for each item.
    results: Vec<ItemAnswer<'a>>,
}

impl<'a> BatchAnswer<'a> {
    pub fn of(context: &'a Context, verdicts: &'a [Verdict]) -> Self {
        let results = verdicts.iter().enumerate();
        let results = results.map(|(index, verdict)| ItemAnswer::in_batch(index, context, verdict));
        Self { request_id: &context.request_id, counts: Counts::of(verdicts), results: results.collect() }
    }
}

/// What became of one item.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ItemAnswer<'a> {
    /// Its position in the batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// Id of the request, where it was this one item.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// Owner of a transaction or label.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a str>,
    /// Owner of a receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    place_id: Option<&'a str>,
    /// Your id of a transaction or receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<&'a str>,
    /// Your id of a label, or the one that was made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    label_id: Option<&'a str>,
    /// Id of its event.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Uuid>,
    /// Id across systems; null where the item has no ids.
    #[schemars(with = "Option<Uuid>")]
    trn_id: Option<&'a str>,
    /// When it was taken in.
    #[serde(with = "Instant")]
    timestamp: i64,
    /// Whether the log has it.
    trn_status: TrnStatus,
    /// What became of it.
    status: Status,
    /// Whether an earlier record had it.
    #[serde(skip_serializing_if = "Not::not")]
    #[schemars(extend("const" = true))]
    duplicate: bool,
    #[serde(flatten)]
    stored: StoredAt,
    /// What is wrong with it; in a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<&'a [FieldError]>,
}

impl<'a> ItemAnswer<'a> {
    /// Of the only item of a request.
    pub fn alone(context: &'a Context, verdict: &'a Verdict) -> Self {
        Self { request_id: Some(&context.request_id), ..Self::of(context, verdict) }
    }

    fn in_batch(index: usize, context: &'a Context, verdict: &'a Verdict) -> Self {
        Self { index: Some(index), errors: Some(&verdict.errors), ..Self::of(context, verdict) }
    }

    fn of(context: &Context, verdict: &'a Verdict) -> Self {
        Self {
            index: None,
            request_id: None,
            customer_id: verdict.id("customer_id"),
            place_id: verdict.id("place_id"),
            transaction_id: verdict.id("transaction_id"),
            label_id: verdict.id("label_id"),
            event_id: verdict.stored.map(|stored| stored.event_id),
            trn_id: verdict.trn_id.as_deref(),
            timestamp: verdict.received_at(context),
            trn_status: verdict.trn_status(),
            status: verdict.status,
            duplicate: verdict.status == Status::Duplicate,
            stored: StoredAt::of(verdict),
            errors: None,
        }
    }
}

/// Where an item is stored, and how its time was read.
#[derive(Serialize, JsonSchema)]
pub(super) struct StoredAt {
    /// Partition of the journal; with the offset a min_offset for questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    partition: Option<i32>,
    /// Offset in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    offset: Option<i64>,
    /// How the time was read, where it did not name exactly one instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp_resolution: Option<TimeResolution>,
}

impl StoredAt {
    pub fn of(verdict: &Verdict) -> Self {
        Self {
            partition: verdict.stored.map(|stored| stored.partition),
            offset: verdict.stored.map(|stored| stored.offset),
            timestamp_resolution: verdict.resolution,
        }
    }
}
