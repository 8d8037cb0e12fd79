//! What becomes of a scored transaction.

use super::{Column, Table, column, one, time_resolution};
use crate::clickhouse::rowbinary::RowBinary;
use millrace_schemas::event::TransactionScore;

/// The transaction as received.
pub const TRANSACTIONS: Table<TransactionScore> =
    Table { name: "transactions", rows: one, with_request: true, columns: TRANSACTION_COLUMNS };

/// Its score, and everything the score was computed from.
pub const TRANSACTION_SCORES: Table<TransactionScore> =
    Table { name: "transaction_scores", rows: one, with_request: true, columns: SCORE_COLUMNS };

const TRANSACTION_COLUMNS: &[Column<TransactionScore>] = &[
    column("trn_id", |e, _, out| out.uuid(&e.trn_id)),
    column("customer_id", |e, _, out| out.text(&e.transaction.customer_id)),
    column("transaction_id", |e, _, out| out.text(&e.transaction.transaction_id)),
    column("occurred_at", |e, _, out| out.time(e.occurred_at)),
    column("received_at", |e, _, out| out.time(e.received_at)),
    column("amount", |e, _, out| out.decimal(e.transaction.amount)),
    column("currency", |e, _, out| out.text(&e.transaction.currency)),
    column("type", |e, _, out| out.int32(e.transaction.transaction_type)),
    column("merchant_id", |e, _, out| out.text(&e.transaction.merchant_id)),
    column("merchant_category", |e, _, out| out.optional_text(e.transaction.merchant_category.as_deref())),
    column("transaction_category", |e, _, out| out.optional_text(e.transaction.transaction_category.as_deref())),
    column("channel", |e, _, out| out.text(&e.transaction.channel)),
    column("card_bin", |e, _, out| out.text(&e.transaction.card_bin)),
    column("card_id", |e, _, out| out.optional_text(e.transaction.card_id.as_deref())),
    column("ip_address", |e, _, out| out.text(&e.transaction.ip_address)),
    column("device_id", |e, _, out| out.text(&e.transaction.device_id)),
    column("location", |e, _, out| out.text(&e.transaction.location)),
    column("latitude", |e, _, out| out.optional(e.transaction.latitude, RowBinary::float)),
    column("longitude", |e, _, out| out.optional(e.transaction.longitude, RowBinary::float)),
    column("is_fraud", |e, _, out| out.optional(e.transaction.is_fraud, RowBinary::flag)),
    column("merchant_risk_score", |e, _, out| out.optional(e.transaction.merchant_risk_score, RowBinary::float)),
    column("card_risk_score", |e, _, out| out.optional(e.transaction.card_risk_score, RowBinary::float)),
    column("customer_risk_score", |e, _, out| out.optional(e.transaction.customer_risk_score, RowBinary::float)),
    column("is_velocity_alert", |e, _, out| out.optional(e.transaction.is_velocity_alert, RowBinary::flag)),
    column("is_location_alert", |e, _, out| out.optional(e.transaction.is_location_alert, RowBinary::flag)),
    column("is_device_alert", |e, _, out| out.optional(e.transaction.is_device_alert, RowBinary::flag)),
    column("is_high_value", |e, _, out| out.optional(e.transaction.is_high_value, RowBinary::flag)),
    column("customer_segments", |e, _, out| out.list(&e.transaction.customer_segments, |out, text| out.text(text))),
    column("time_zone", |e, _, out| out.optional_text(e.transaction.time_zone.as_deref())),
    column("time_resolution", |e, _, out| out.text(time_resolution(e.transaction.time_resolution))),
    column("extra", |e, _, out| out.map(&e.transaction.extra, |out, json| out.text(json))),
    column("event_id", |e, _, out| out.uuid(&e.event_id)),
    column("source_partition", |e, _, out| out.int32(e.source.partition)),
    column("source_offset", |e, _, out| out.int64(e.source.offset)),
    column("source_timestamp", |e, _, out| out.time(e.source.timestamp)),
];

const SCORE_COLUMNS: &[Column<TransactionScore>] = &[
    column("trn_id", |e, _, out| out.uuid(&e.trn_id)),
    column("customer_id", |e, _, out| out.text(&e.transaction.customer_id)),
    column("transaction_id", |e, _, out| out.text(&e.transaction.transaction_id)),
    column("occurred_at", |e, _, out| out.time(e.occurred_at)),
    column("received_at", |e, _, out| out.time(e.received_at)),
    column("amount", |e, _, out| out.decimal(e.transaction.amount)),
    column("currency", |e, _, out| out.text(&e.transaction.currency)),
    column("scoring", |e, _, out| out.float(e.scoring)),
    column("decision", |e, _, out| out.text(e.decision.name())),
    column("decision_source", |e, _, out| out.text(e.decision_source.name())),
    column("reasons", |e, _, out| {
        out.list(&e.reasons, |out, reason| {
            out.text(&reason.code);
            out.text(&reason.text);
            out.text(&reason.feature);
            out.float(reason.value);
            out.float(reason.contribution);
        });
    }),
    column("model", |e, _, out| out.optional_text(e.model.as_deref())),
    column("raw_scoring", |e, _, out| out.optional(e.raw_scoring, RowBinary::float)),
    column("default_cause", |e, _, out| out.optional_text(e.default_cause.as_deref())),
    column("shadow_model", |e, _, out| out.optional_text(e.shadow.as_ref().map(|shadow| shadow.model.as_str()))),
    column("shadow_scoring", |e, _, out| {
        out.optional(e.shadow.as_ref().and_then(|shadow| shadow.scoring), RowBinary::float);
    }),
    column("configuration", |e, _, out| out.text(&e.configuration)),
    column("customer_transaction_count_3h", |e, _, out| out.int32(e.windows.customer_transaction_count_3h)),
    column("customer_avg_amount_3h", |e, _, out| out.decimal(e.windows.customer_avg_amount_3h)),
    column("customer_transaction_count_6h", |e, _, out| out.int32(e.windows.customer_transaction_count_6h)),
    column("customer_avg_amount_6h", |e, _, out| out.decimal(e.windows.customer_avg_amount_6h)),
    column("customer_transaction_count_12h", |e, _, out| out.int32(e.windows.customer_transaction_count_12h)),
    column("customer_avg_amount_12h", |e, _, out| out.decimal(e.windows.customer_avg_amount_12h)),
    column("customer_transaction_count_24h", |e, _, out| out.int32(e.windows.customer_transaction_count_24h)),
    column("customer_avg_amount_24h", |e, _, out| out.decimal(e.windows.customer_avg_amount_24h)),
    column("window_exact", |e, _, out| out.flag(e.window_exact)),
    column("features", |e, _, out| out.map(e.features.iter(), RowBinary::float)),
    column("is_fraud", |e, _, out| out.optional(e.transaction.is_fraud, RowBinary::flag)),
    column("event_id", |e, _, out| out.uuid(&e.event_id)),
    column("source_partition", |e, _, out| out.int32(e.source.partition)),
    column("source_offset", |e, _, out| out.int64(e.source.offset)),
    column("source_timestamp", |e, _, out| out.time(e.source.timestamp)),
];
