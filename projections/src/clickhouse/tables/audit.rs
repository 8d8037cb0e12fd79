//! What came in and took no effect, and what was answered.

use super::{Column, Table, column, field_error, one};
use crate::clickhouse::rowbinary::RowBinary;
use millrace_schemas::event::{DeadLetter, Duplicate, Request};

/// Refused requests and batches, with their answers.
pub const REQUESTS: Table<Request> =
    Table { name: "requests", rows: one, with_request: false, columns: REQUEST_COLUMNS };

/// Inputs that could not be processed.
pub const DEAD_LETTERS: Table<DeadLetter> =
    Table { name: "dead_letters", rows: one, with_request: false, columns: DEAD_LETTER_COLUMNS };

/// Later records with the id and content of an earlier one.
pub const DUPLICATES: Table<Duplicate> =
    Table { name: "duplicates", rows: one, with_request: true, columns: DUPLICATE_COLUMNS };

const REQUEST_COLUMNS: &[Column<Request>] = &[
    column("request_id", |e, _, out| out.text(&e.request_id)),
    column("received_at", |e, _, out| out.time(e.received_at)),
    column("method", |e, _, out| out.text(&e.method)),
    column("path", |e, _, out| out.text(&e.path)),
    column("client", |e, _, out| out.text(&e.client)),
    column("user_agent", |e, _, out| out.optional_text(e.user_agent.as_deref())),
    column("content_type", |e, _, out| out.optional_text(e.content_type.as_deref())),
    column("content_encoding", |e, _, out| out.optional_text(e.content_encoding.as_deref())),
    column("body_bytes", |e, _, out| out.int64(e.body_bytes)),
    column("http_status", |e, _, out| out.int32(e.http_status)),
    column("code", |e, _, out| out.optional_text(e.code.as_deref())),
    column("message", |e, _, out| out.optional_text(e.message.as_deref())),
    column("accepted", |e, _, out| out.int32(e.accepted)),
    column("duplicates", |e, _, out| out.int32(e.duplicates)),
    column("rejected", |e, _, out| out.int32(e.rejected)),
    column("results", |e, _, out| {
        out.list(&e.results, |out, result| {
            out.int32(result.index);
            out.optional_text(result.trn_id.as_deref());
            out.text(&result.status);
            out.optional(result.partition, RowBinary::int32);
            out.optional(result.offset, RowBinary::int64);
            out.list(&result.errors, field_error);
        });
    }),
    column("event_id", |e, _, out| out.uuid(&e.event_id)),
];

const DEAD_LETTER_COLUMNS: &[Column<DeadLetter>] = &[
    column("event_id", |e, _, out| out.uuid(&e.event_id)),
    column("received_at", |e, _, out| out.time(e.received_at)),
    column("source_topic", |e, _, out| out.optional_text(e.source_topic.as_deref())),
    column("source_partition", |e, _, out| out.optional(e.source_partition, RowBinary::int32)),
    column("source_offset", |e, _, out| out.optional(e.source_offset, RowBinary::int64)),
    column("request_id", |e, _, out| out.optional_text(e.request_id.as_deref())),
    column("request_index", |e, _, out| out.optional(e.request_index, RowBinary::int32)),
    column("target_topic", |e, _, out| out.text(&e.target_topic)),
    column("code", |e, _, out| out.text(&e.code)),
    column("message", |e, _, out| out.text(&e.message)),
    column("errors", |e, _, out| out.list(&e.errors, field_error)),
    column("key", |e, _, out| out.optional(e.key.as_deref(), RowBinary::blob)),
    column("content_type", |e, _, out| out.text(&e.content_type)),
    column("payload", |e, _, out| out.blob(&e.payload)),
    column("payload_bytes", |e, _, out| out.int64(e.payload_bytes)),
    column("truncated", |e, _, out| out.flag(e.truncated)),
    column("attempt", |e, _, out| out.int32(e.attempt)),
];

const DUPLICATE_COLUMNS: &[Column<Duplicate>] = &[
    column("trn_id", |e, _, out| out.uuid(&e.trn_id)),
    column("received_at", |e, _, out| out.time(e.received_at)),
    column("source_topic", |e, _, out| out.text(&e.source.topic)),
    column("source_partition", |e, _, out| out.int32(e.source.partition)),
    column("source_offset", |e, _, out| out.int64(e.source.offset)),
    column("first_offset", |e, _, out| out.int64(e.first_offset)),
    column("event_id", |e, _, out| out.uuid(&e.event_id)),
];
