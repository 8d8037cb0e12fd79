//! What splitting makes of a receipt.

use super::{Receipt, Source};
use serde::{Deserialize, Serialize};

/// Sign of the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// `purchase`.
    Purchase,
    /// `return`.
    Return,
    /// `zero`.
    Zero,
}

/// One line of a purchase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PurchaseLine {
    /// Position on the receipt, from 1.
    pub line: i32,
    /// Product sold.
    pub product_id: String,
    /// Category of the goods.
    pub category: String,
    /// VAT rate in ten-thousandths of a percent, where known.
    pub nds_rate: Option<i64>,
    /// Quantity in millionths of a unit; negative on a return.
    pub quantity: i64,
    /// Price of one unit, in ten-thousandths of the currency unit.
    pub price: i64,
    /// quantity x price, in ten-thousandths of the currency unit, rounded half-even.
    pub amount: i64,
}

/// A receipt split to its place and lines, checked. One for each accepted receipt; keyed by place_id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Purchase {
    /// Id of this event: a hash of log epoch and source, so a replay gives the same one.
    pub event_id: String,
    /// When the purchase took place; copied.
    pub occurred_at: i64,
    /// When it was taken in; copied.
    pub received_at: i64,
    /// Id of the receipt across systems, derived from place_id and transaction_id.
    pub trn_id: String,
    /// The journal record this was derived from.
    pub source: Source,
    /// The whole receipt.
    pub receipt: Receipt,
    /// purchase: the total is positive; return: negative; zero: nothing was to pay.
    pub kind: ReceiptKind,
    /// The receipt's lines with their amounts.
    pub lines: Vec<PurchaseLine>,
    /// Sum of the lines' amounts, in ten-thousandths of the currency unit.
    pub items_total: i64,
    /// items_total less total_amount, in ten-thousandths of the currency unit; within the tolerance.
    pub items_difference: i64,
    /// Total less VAT, in ten-thousandths of the currency unit.
    pub net_amount: i64,
    /// Id across systems of the receipt whose goods came back, where it is known: derived from place_id and original_transaction_id.
    pub original_trn_id: Option<String>,
}
