//! Fields of a transaction.

use super::{Fields, Kind};
use crate::tree::Names;
use millrace_schemas::event::{TimeResolution, Transaction};

impl Kind for Transaction {
    const NAMES: Names = Names { one: "transaction", several: "transactions" };
    const OWNER: &'static str = "customer_id";
    const BUSINESS_ID: &'static str = "transaction_id";

    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let time = fields.instant("timestamp");
        Self {
            event_id: String::new(),
            received_at: 0,
            occurred_at: time.as_ref().map_or(0, |time| time.epoch_ms),
            time_resolution: time.as_ref().map_or(TimeResolution::Exact, |time| time.resolution),
            time_zone: time.and_then(|time| time.zone),
            customer_id: fields.text("customer_id"),
            transaction_id: fields.text("transaction_id"),
            amount: fields.money("amount"),
            currency: fields.text("currency"),
            transaction_type: fields.integer("type"),
            merchant_id: fields.text("merchant_id"),
            card_bin: fields.searched_text("card_bin"),
            ip_address: fields.text("ip_address"),
            device_id: fields.text("device_id"),
            location: fields.text("location"),
            channel: fields.text("channel"),
            is_fraud: fields.flag("is_fraud"),
            merchant_risk_score: fields.number("merchant_risk_score"),
            card_risk_score: fields.number("card_risk_score"),
            customer_risk_score: fields.number("customer_risk_score"),
            is_velocity_alert: fields.flag("is_velocity_alert"),
            is_location_alert: fields.flag("is_location_alert"),
            is_device_alert: fields.flag("is_device_alert"),
            customer_segments: fields.texts("customer_segments"),
            transaction_category: fields.optional_text("transaction_category"),
            is_high_value: fields.flag("is_high_value"),
            card_id: fields.optional_text("card_id"),
            latitude: fields.number("latitude"),
            longitude: fields.number("longitude"),
            merchant_category: fields.optional_text("merchant_category"),
            extra: fields.rest(),
        }
    }

    fn computed_from(_field: &str) -> &'static [&'static str] {
        &[]
    }

    fn stamp(&mut self, event_id: String, received_at: i64) {
        (self.event_id, self.received_at) = (event_id, received_at);
    }

    fn resolution(&self) -> TimeResolution {
        self.time_resolution
    }

    fn event_id(&self) -> &str {
        &self.event_id
    }

    fn received_at(&self) -> i64 {
        self.received_at
    }
}
