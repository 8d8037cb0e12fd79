//! What transactions turned out to be.

use super::{Column, Table, column, one, time_resolution};
use millrace_schemas::event::{Journal as _, Label};

/// Labels as they came in.
pub const LABELS: Table<Label> = Table { name: "labels", rows: one, with_request: true, columns: LABEL_COLUMNS };

const LABEL_COLUMNS: &[Column<Label>] = &[
    column("trn_id", |e, _, out| out.uuid(&e.trn_id)),
    column("customer_id", |e, _, out| out.text(&e.customer_id)),
    column("transaction_id", |e, _, out| out.text(&e.transaction_id)),
    column("label_id", |e, _, out| out.text(&e.label_id)),
    column("label_trn_id", |e, _, out| out.uuid(&e.trn_id().to_string())),
    column("label", |e, _, out| out.text(e.label.name())),
    column("source", |e, _, out| out.text(&e.source)),
    column("decided_at", |e, _, out| out.time(e.decided_at)),
    column("received_at", |e, _, out| out.time(e.received_at)),
    column("time_zone", |e, _, out| out.optional_text(e.time_zone.as_deref())),
    column("time_resolution", |e, _, out| out.text(time_resolution(e.time_resolution))),
    column("extra", |e, _, out| out.map(&e.extra, |out, json| out.text(json))),
    column("event_id", |e, _, out| out.uuid(&e.event_id)),
];
