//! Receipts with the transactions that paid them.

use super::{Column, Table, column, one};
use crate::clickhouse::rowbinary::RowBinary;
use millrace_schemas::event::{MatchItem, ReceiptMatch};

/// Settled receipts.
pub const RECEIPT_MATCHES: Table<ReceiptMatch> =
    Table { name: "receipt_matches", rows: one, with_request: false, columns: MATCH_COLUMNS };

const MATCH_COLUMNS: &[Column<ReceiptMatch>] = &[
    column("trn_id", |e, _, out| out.uuid(&e.receipt.trn_id)),
    column("place_id", |e, _, out| out.text(&e.receipt.place_id)),
    column("transaction_id", |e, _, out| out.text(&e.receipt.transaction_id)),
    column("occurred_at", |e, _, out| out.time(e.occurred_at)),
    column("received_at", |e, _, out| out.time(e.received_at)),
    column("outcome", |e, _, out| out.text(e.outcome.name())),
    column("reason", |e, _, out| out.text(e.reason.name())),
    column("amount", |e, _, out| out.decimal(e.receipt.amount)),
    column("tips_amount", |e, _, out| out.decimal(e.receipt.tips_amount)),
    column("currency", |e, _, out| out.text(&e.receipt.currency)),
    column("payment_transaction_id", |e, _, out| out.optional_text(e.receipt.payment_transaction_id.as_deref())),
    column("paid_by_trn_id", |e, _, out| out.optional(paid_by(e).map(|by| by.trn_id.as_str()), RowBinary::uuid)),
    column("paid_by_customer_id", |e, _, out| out.optional_text(paid_by(e).and_then(|by| by.customer_id.as_deref()))),
    column("paid_by_transaction_id", |e, _, out| {
        out.optional_text(paid_by(e).map(|by| by.transaction_id.as_str()));
    }),
    column("paid_by_occurred_at", |e, _, out| out.optional(paid_by(e).map(|by| by.occurred_at), RowBinary::time)),
    column("paid_by_amount", |e, _, out| out.optional(paid_by(e).map(|by| by.amount), RowBinary::decimal)),
    column("paid_by_currency", |e, _, out| out.optional_text(paid_by(e).map(|by| by.currency.as_str()))),
    column("time_distance_ms", |e, _, out| out.optional(e.time_distance_ms, RowBinary::int64)),
    column("differences", |e, _, out| {
        out.list(&e.differences, |out, difference| {
            out.text(&difference.field);
            out.text(&difference.receipt);
            out.text(&difference.transaction);
        });
    }),
    column("settled_at", |e, _, out| out.time(e.settled_at)),
    column("event_id", |e, _, out| out.uuid(&e.event_id)),
    column("source_partition", |e, _, out| out.int32(e.receipt.source.partition)),
    column("source_offset", |e, _, out| out.int64(e.receipt.source.offset)),
];

fn paid_by(event: &ReceiptMatch) -> Option<&MatchItem> {
    event.transaction.as_ref()
}
