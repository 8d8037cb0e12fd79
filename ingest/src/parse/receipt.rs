//! Fields of a receipt.

use super::{Fields, Kind};
use crate::tree::Names;
use millrace_schemas::event::{Receipt, ReceiptItem, TimeResolution};

impl Kind for Receipt {
    const NAMES: Names = Names { one: "receipt", several: "receipts" };
    const OWNER: &'static str = "place_id";
    const BUSINESS_ID: &'static str = "transaction_id";

    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let time = fields.instant("timestamp");
        Self {
            event_id: String::new(),
            received_at: 0,
            occurred_at: time.as_ref().map_or(0, |time| time.epoch_ms),
            time_resolution: time.as_ref().map_or(TimeResolution::Exact, |time| time.resolution),
            time_zone: time.and_then(|time| time.zone),
            place_id: fields.text("place_id"),
            transaction_id: fields.text("transaction_id"),
            place_name: fields.text("place_name"),
            items: fields.records("items", item),
            total_amount: fields.money("total_amount"),
            nds_amount: fields.optional_money("nds_amount").unwrap_or_default(),
            tips_amount: fields.optional_money("tips_amount").unwrap_or_default(),
            currency: fields.optional_text("currency").unwrap_or_else(|| fields.default_currency().to_owned()),
            payment_method: fields.text("payment_method"),
            payment_transaction_id: fields.optional_text("payment_transaction_id"),
            original_transaction_id: fields.optional_text("original_transaction_id"),
            extra: fields.rest(),
        }
    }

    fn computed_from(field: &str) -> &'static [&'static str] {
        match field {
            "total_amount" => &["items"],
            // Whether quantities may be negative depends on the total.
            "items" | "nds_amount" | "original_transaction_id" => &["total_amount"],
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

fn item(fields: &mut Fields<'_, '_>) -> ReceiptItem {
    ReceiptItem {
        product_id: fields.text("product_id"),
        quantity: fields.quantity("quantity"),
        price: fields.money("price"),
        category: fields.text("category"),
        // A percentage has as many digits as money.
        nds_rate: fields.optional_money("nds_rate"),
        extra: fields.rest(),
    }
}
