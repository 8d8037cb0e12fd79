//! Fields of a label.

use super::{Fields, Kind};
use crate::tree::Names;
use millrace_schemas::{
    Topic,
    event::{Label, LabelKind, TimeResolution},
    ids,
};

impl Kind for Label {
    const NAMES: Names = Names { one: "label", several: "labels" };
    const OWNER: &'static str = "customer_id";
    const BUSINESS_ID: &'static str = "label_id";

    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let time = fields.instant("decided_at");
        let decided_at = time.as_ref().map_or(0, |time| time.epoch_ms);
        let (customer_id, transaction_id) = (fields.text("customer_id"), fields.text("transaction_id"));
        let (label, source) = (fields.label("label").unwrap_or(LabelKind::Legitimate), fields.text("source"));
        let trn_id = ids::trn_id(Topic::Transactions, &customer_id, &transaction_id).to_string();
        let label_id = fields.optional_text("label_id");
        Self {
            event_id: String::new(),
            received_at: 0,
            decided_at,
            time_resolution: time.as_ref().map_or(TimeResolution::Exact, |time| time.resolution),
            time_zone: time.and_then(|time| time.zone),
            label_id: label_id
                .unwrap_or_else(|| ids::label_id(&transaction_id, label.name(), &source, decided_at).to_string()),
            // One that is sent is of no other use than to be checked.
            trn_id: fields.optional_text("trn_id").unwrap_or(trn_id),
            customer_id,
            transaction_id,
            label,
            source,
            extra: fields.rest(),
        }
    }

    fn computed_from(field: &str) -> &'static [&'static str] {
        match field {
            "trn_id" => &["customer_id", "transaction_id"],
            _ => &[],
        }
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
