//! What becomes of a receipt: one row for it, and one for each of its lines.

use super::{Column, Table, column, one, time_resolution};
use crate::clickhouse::rowbinary::RowBinary;
use millrace_schemas::event::{Purchase, ReceiptKind};
use std::collections::BTreeMap;

/// The receipt.
pub const RECEIPTS: Table<Purchase> =
    Table { name: "receipts", rows: one, with_request: true, columns: RECEIPT_COLUMNS };

/// Its lines.
pub const RECEIPT_ITEMS: Table<Purchase> =
    Table { name: "receipt_items", rows: |event| event.lines.len(), with_request: false, columns: ITEM_COLUMNS };

const RECEIPT_COLUMNS: &[Column<Purchase>] = &[
    column("trn_id", |e, _, out| out.uuid(&e.trn_id)),
    column("place_id", |e, _, out| out.text(&e.receipt.place_id)),
    column("place_name", |e, _, out| out.text(&e.receipt.place_name)),
    column("transaction_id", |e, _, out| out.text(&e.receipt.transaction_id)),
    column("occurred_at", |e, _, out| out.time(e.occurred_at)),
    column("received_at", |e, _, out| out.time(e.received_at)),
    column("kind", |e, _, out| out.text(kind(e.kind))),
    column("total_amount", |e, _, out| out.decimal(e.receipt.total_amount)),
    column("nds_amount", |e, _, out| out.decimal(e.receipt.nds_amount)),
    column("net_amount", |e, _, out| out.decimal(e.net_amount)),
    column("tips_amount", |e, _, out| out.decimal(e.receipt.tips_amount)),
    column("currency", |e, _, out| out.text(&e.receipt.currency)),
    column("payment_method", |e, _, out| out.text(&e.receipt.payment_method)),
    column("payment_transaction_id", |e, _, out| out.optional_text(e.receipt.payment_transaction_id.as_deref())),
    column("original_transaction_id", |e, _, out| out.optional_text(e.receipt.original_transaction_id.as_deref())),
    column("original_trn_id", |e, _, out| out.optional(e.original_trn_id.as_deref(), RowBinary::uuid)),
    column("lines", |e, _, out| out.int32(i32::try_from(e.lines.len()).unwrap_or(i32::MAX))),
    column("items_total", |e, _, out| out.decimal(e.items_total)),
    column("items_difference", |e, _, out| out.decimal(e.items_difference)),
    column("time_zone", |e, _, out| out.optional_text(e.receipt.time_zone.as_deref())),
    column("time_resolution", |e, _, out| out.text(time_resolution(e.receipt.time_resolution))),
    column("extra", |e, _, out| out.map(&e.receipt.extra, |out, json| out.text(json))),
    column("event_id", |e, _, out| out.uuid(&e.event_id)),
    column("source_partition", |e, _, out| out.int32(e.source.partition)),
    column("source_offset", |e, _, out| out.int64(e.source.offset)),
    column("source_timestamp", |e, _, out| out.time(e.source.timestamp)),
];

const ITEM_COLUMNS: &[Column<Purchase>] = &[
    column("trn_id", |e, _, out| out.uuid(&e.trn_id)),
    column("place_id", |e, _, out| out.text(&e.receipt.place_id)),
    column("transaction_id", |e, _, out| out.text(&e.receipt.transaction_id)),
    column("occurred_at", |e, _, out| out.time(e.occurred_at)),
    column("kind", |e, _, out| out.text(kind(e.kind))),
    column("line", |e, i, out| out.int32(e.lines[i].line)),
    column("product_id", |e, i, out| out.text(&e.lines[i].product_id)),
    column("category", |e, i, out| out.text(&e.lines[i].category)),
    column("nds_rate", |e, i, out| out.optional(e.lines[i].nds_rate, RowBinary::decimal)),
    column("quantity", |e, i, out| out.decimal(e.lines[i].quantity)),
    column("price", |e, i, out| out.decimal(e.lines[i].price)),
    column("amount", |e, i, out| out.decimal(e.lines[i].amount)),
    column("currency", |e, _, out| out.text(&e.receipt.currency)),
    column("extra", |e, i, out| out.map(extra_of_line(e, i), |out, json| out.text(json))),
];

/// A line's unknown fields are kept with the receipt's item it comes from.
fn extra_of_line(purchase: &Purchase, index: usize) -> &BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    let line = usize::try_from(purchase.lines[index].line).ok();
    let item = line.and_then(|line| line.checked_sub(1)).and_then(|item| purchase.receipt.items.get(item));
    item.map_or(&NONE, |item| &item.extra)
}

fn kind(kind: ReceiptKind) -> &'static str {
    match kind {
        ReceiptKind::Purchase => "purchase",
        ReceiptKind::Return => "return",
        ReceiptKind::Zero => "zero",
    }
}
