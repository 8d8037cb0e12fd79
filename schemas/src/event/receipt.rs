//! The journal of receipts.

use super::TimeResolution;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One line of a receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiptItem {
    /// Product sold.
    pub product_id: String,
    /// Quantity in millionths of a unit; negative on a return.
    pub quantity: i64,
    /// Price of one unit, in ten-thousandths of the currency unit, VAT included; not negative.
    pub price: i64,
    /// Category of the goods.
    pub category: String,
    /// VAT rate of the line in ten-thousandths of a percent, where known.
    pub nds_rate: Option<i64>,
    /// Fields the contract does not name, kept as JSON text by name. Never holds card data.
    pub extra: BTreeMap<String, String>,
}

/// A purchase receipt as received. Keyed by place_id. Its identity is transaction_id within place_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Id of this event, a UUID. Set by whoever produces it; not used for deduplication.
    pub event_id: String,
    /// When the purchase took place, by the client's statement.
    pub occurred_at: i64,
    /// When the producer (normally the gateway) took it in.
    pub received_at: i64,
    /// Place of purchase; the key of the record.
    pub place_id: String,
    /// Till's id of the receipt, unique within the place.
    pub transaction_id: String,
    /// Name of the place at that time.
    pub place_name: String,
    /// Lines of the receipt; at least one.
    pub items: Vec<ReceiptItem>,
    /// Total to pay, in ten-thousandths of the currency unit, VAT included, tips not included; negative on a return.
    pub total_amount: i64,
    /// VAT contained in the total, in ten-thousandths of the currency unit; has the sign of the total.
    pub nds_amount: i64,
    /// Tips on top of the total, in ten-thousandths of the currency unit; not negative.
    pub tips_amount: i64,
    /// ISO 4217 code, upper case.
    pub currency: String,
    /// Means of payment, as the till names it.
    pub payment_method: String,
    /// Id of the card transaction that paid the receipt, where known.
    pub payment_transaction_id: Option<String>,
    /// On a return: till's id of the receipt, of the same place, whose goods came back, where known.
    pub original_transaction_id: Option<String>,
    /// IANA zone in which a local time without offset was read; null when the client gave an offset.
    pub time_zone: Option<String>,
    /// exact: one instant fits; ambiguous_earlier: the local time occurs twice (clocks go back) and the earlier one was taken; gap_forward: the local time does not exist (clocks go forward) and was moved forward by the length of the gap.
    pub time_resolution: TimeResolution,
    /// Fields the contract does not name, kept as JSON text by name. Never holds card data.
    pub extra: BTreeMap<String, String>,
}
