//! Columns that several resources have.

use super::super::column::{
    Column,
    Kind::{Count, Day, Instant, LocalTime, MaybeMoney, Money, Share, Text},
    column,
};

pub(super) const START: Column = column("start", Instant, "Start of the interval.");
pub(super) const START_LOCAL: Column =
    column("start_local", LocalTime, "The same by the zone's clock, with its offset from UTC.");
pub(super) const CURRENCY: Column =
    column("currency", Text, "ISO 4217 code of the amounts. Amounts of several currencies must not be added.");
pub(super) const PURCHASES: Column = column("purchases", Count, "Receipts with a total above zero.");
pub(super) const PURCHASE_TOTAL: Column =
    column("purchase_total", Money, "Sum of their totals, VAT included, in units of the currency.");
pub(super) const PURCHASE_NDS: Column =
    column("purchase_nds", Money, "VAT contained in purchase_total, in units of the currency.");
pub(super) const PURCHASE_TIPS: Column =
    column("purchase_tips", Money, "Tips on top of purchase_total, in units of the currency.");
pub(super) const MEAN_RECEIPT: Column = column(
    "mean_receipt",
    MaybeMoney,
    "purchase_total by purchases, in units of the currency, rounded half-even to 4 digits; null without purchases.",
);
pub(super) const RETURNS: Column = column("returns", Count, "Receipts with a total below zero.");
pub(super) const RETURN_TOTAL: Column =
    column("return_total", Money, "Sum of their totals, VAT included, in units of the currency; negative.");
pub(super) const RETURN_NDS: Column =
    column("return_nds", Money, "VAT contained in return_total, in units of the currency; negative.");
pub(super) const RETURN_TIPS: Column = column("return_tips", Money, "Tips on returns, in units of the currency.");
pub(super) const ZEROS: Column = column("zeros", Count, "Receipts with nothing to pay.");
pub(super) const ZERO_TIPS: Column = column("zero_tips", Money, "Tips on those, in units of the currency.");
pub(super) const TIPPED: Column = column("tipped", Count, "Receipts of any kind with a tip.");
pub(super) const PAYMENT_METHOD: Column = column("payment_method", Text, "Means of payment, as the till names it.");
pub(super) const TRANSACTIONS_COLUMN: Column = column("transactions", Count, "Transactions.");
pub(super) const AMOUNT: Column = column("amount", Money, "Sum of their amounts, in units of the currency.");
pub(super) const MEAN_AMOUNT: Column =
    column("mean_amount", Money, "Mean amount, in units of the currency, rounded half-even to 4 digits.");
pub(super) const ALLOWED: Column = column("allowed", Count, "Transactions of low risk: decided allow.");
pub(super) const REVIEWED: Column = column("reviewed", Count, "Transactions of middling risk: decided review.");
pub(super) const BLOCKED: Column = column("blocked", Count, "Transactions of high risk: decided block.");
pub(super) const MEAN_SCORING: Column = column("mean_scoring", Share, "Mean score, 0 to 1.");
pub(super) const MAX_SCORING: Column = column("max_scoring", Share, "Highest score, 0 to 1.");
pub(super) const DAY: Column = column("day", Day, "UTC day on which the transactions took place.");
pub(super) const PURCHASE_AMOUNT: Column =
    column("purchase_amount", Money, "Sum of their amounts, VAT included, in units of the currency.");
pub(super) const RETURN_AMOUNT: Column =
    column("return_amount", Money, "Sum of their amounts, VAT included, in units of the currency; normally negative.");
pub(super) const ZERO_AMOUNT: Column =
    column("zero_amount", Money, "Sum of their amounts, in units of the currency; within the tolerance of totals.");
