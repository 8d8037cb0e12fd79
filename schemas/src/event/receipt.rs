//! The journal of receipts.

use super::TimeResolution;
use crate::{
    contract::sent::{Currency, Id, Money, Quantity, Text, Timestamp},
    rules::ITEMS_MAX,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line of a receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptItem {
    /// Product sold.
    #[schemars(with = "Id")]
    pub product_id: String,
    /// Quantity in millionths of a unit; negative on a return.
    #[schemars(with = "Quantity", description = "How many units; negative on a return.")]
    pub quantity: i64,
    /// Price of one unit, in ten-thousandths of the currency unit, VAT included; not negative.
    #[schemars(with = "Money", description = "Price of one unit, VAT included; not negative.", extend("minimum" = 0))]
    pub price: i64,
    /// Category of the goods.
    #[schemars(with = "Id")]
    pub category: String,
    /// VAT rate of the line in ten-thousandths of a percent, where known.
    #[schemars(with = "Option<Money>", description = "VAT rate of the line in percent, where known.")]
    pub nds_rate: Option<i64>,
    /// Fields the contract does not name, kept as JSON text by name. Never holds card data.
    #[schemars(skip)]
    pub extra: BTreeMap<String, String>,
}

/// A purchase receipt as received. Keyed by place_id. Its identity is transaction_id within place_id. Fields that are not named
/// here are kept, but for card data, which is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{
    "transaction_id": "receipt-1", "timestamp": "2026-03-01T12:00:00", "place_id": "place-1", "place_name": "Corner shop",
    "items": [
        {"product_id": "apples", "quantity": 2, "price": 10.99, "category": "groceries"},
        {"product_id": "cable", "quantity": 1, "price": 5.49, "category": "electronics"},
    ],
    "total_amount": 27.47, "nds_amount": 2.47, "tips_amount": 3.00, "payment_method": "credit_card",
}]))]
pub struct Receipt {
    /// Id of this event, a UUID. Set by whoever produces it; not used for deduplication.
    #[schemars(skip)]
    pub event_id: String,
    /// When the purchase took place, by the client's statement.
    #[schemars(rename = "timestamp", with = "Timestamp")]
    pub occurred_at: i64,
    /// When the producer (normally the gateway) took it in.
    #[schemars(skip)]
    pub received_at: i64,
    /// Place of purchase; the key of the record.
    #[schemars(with = "Id")]
    pub place_id: String,
    /// Till's id of the receipt, unique within the place; a retry has the same.
    #[schemars(with = "Id")]
    pub transaction_id: String,
    /// Name of the place at that time.
    #[schemars(with = "Text")]
    pub place_name: String,
    /// Lines of the receipt; at least one.
    #[schemars(length(min = 1, max = ITEMS_MAX))]
    pub items: Vec<ReceiptItem>,
    /// Total to pay, in ten-thousandths of the currency unit, VAT included, tips not included; negative on a return.
    #[schemars(with = "Money", description = "Total to pay, VAT included, tips not included; negative on a return.")]
    pub total_amount: i64,
    /// VAT contained in the total, in ten-thousandths of the currency unit; has the sign of the total.
    #[schemars(with = "Option<Money>", description = "VAT contained in the total; has the sign of the total.")]
    pub nds_amount: i64,
    /// Tips on top of the total, in ten-thousandths of the currency unit; not negative.
    #[schemars(with = "Option<Money>", description = "Tips on top of the total; not negative.", extend("minimum" = 0))]
    pub tips_amount: i64,
    /// ISO 4217 code, upper case.
    #[schemars(
        with = "Option<Currency>",
        description = "ISO 4217 code, upper case; the configured one where there is none."
    )]
    pub currency: String,
    /// Means of payment, as the till names it.
    #[schemars(with = "Id")]
    pub payment_method: String,
    /// Id of the card transaction that paid the receipt, where known.
    #[schemars(with = "Option<Id>")]
    pub payment_transaction_id: Option<String>,
    /// On a return: till's id of the receipt, of the same place, whose goods came back, where known.
    #[schemars(with = "Option<Id>")]
    pub original_transaction_id: Option<String>,
    /// IANA zone in which a local time without offset was read; null when the client gave an offset.
    #[schemars(skip)]
    pub time_zone: Option<String>,
    /// exact: one instant fits; ambiguous_earlier: the local time occurs twice (clocks go back) and the earlier one was taken; gap_forward: the local time does not exist (clocks go forward) and was moved forward by the length of the gap.
    #[schemars(skip)]
    pub time_resolution: TimeResolution,
    /// Fields the contract does not name, kept as JSON text by name. Never holds card data.
    #[schemars(skip)]
    pub extra: BTreeMap<String, String>,
}
