//! Figures of receipts and places; the load of receipts and transactions together.

use super::{
    super::column::{
        Kind::{Count, Hour, Instant, Money, Quantity, Text, Texts},
        column,
    },
    Resource, Takes,
    common::{
        BLOCKED, CURRENCY, MEAN_RECEIPT, PAYMENT_METHOD, PURCHASE_NDS, PURCHASE_TIPS, PURCHASE_TOTAL, PURCHASES,
        RETURN_NDS, RETURN_TIPS, RETURN_TOTAL, RETURNS, START, START_LOCAL, TIPPED, TRANSACTIONS_COLUMN, ZERO_TIPS,
        ZEROS,
    },
    rollup::{CATEGORY_STATS, PLACE_STATS, TAX_TIP_STATS, TRANSACTION_STATS},
};

/// Every place.
pub(crate) const DIRECTORY: Resource = Resource {
    name: "places",
    title: "Every place that ever made out a receipt",
    view: "place_directory",
    takes: Takes::Nothing,
    rollups: &[PLACE_STATS],
    columns: &[
        column("place_id", Text, "Place of purchase."),
        column("place_name", Text, "Its name on its last receipt."),
        column("names", Count, "How many names it has had."),
        column("first_at", Instant, "Start of the 15 minutes of its first receipt."),
        column("last_at", Instant, "Start of the 15 minutes of its last receipt."),
        column("purchases", Count, "Receipts with a total above zero, in all currencies."),
        column("returns", Count, "Receipts with a total below zero, in all currencies."),
        column("currencies", Texts, "ISO 4217 codes of its receipts."),
    ],
    keys: &["place_id"],
    filters: &["place_id", "place_name"],
};

/// Names a place had.
pub(crate) const NAMES: Resource = Resource {
    name: "place-names",
    title: "The names that a place had, and when",
    view: "place_names",
    takes: Takes::Nothing,
    rollups: &[PLACE_STATS],
    columns: &[
        column("place_name", Text, "A name it had."),
        column("first_at", Instant, "Start of the first 15 minutes that ended with it."),
        column("last_at", Instant, "Start of the last 15 minutes that ended with it."),
        column("purchases", Count, "Receipts with a total above zero in such 15 minutes."),
    ],
    keys: &["first_at", "place_name"],
    filters: &[],
};

/// Figures by place.
pub(crate) const PLACES: Resource = Resource {
    name: "places",
    title: "Purchases, mean receipt and returns by interval, place and currency",
    view: "place_figures",
    takes: Takes::Calendar,
    rollups: &[PLACE_STATS],
    columns: &[
        START,
        START_LOCAL,
        column("place_id", Text, "Place of purchase."),
        column("place_name", Text, "Name of the place on its last receipt of the interval."),
        CURRENCY,
        PURCHASES,
        PURCHASE_TOTAL,
        PURCHASE_NDS,
        PURCHASE_TIPS,
        MEAN_RECEIPT,
        RETURNS,
        RETURN_TOTAL,
        RETURN_NDS,
        RETURN_TIPS,
        ZEROS,
        ZERO_TIPS,
    ],
    keys: &["start", "place_id", "currency"],
    filters: &["place_id", "currency"],
};

/// Figures by category of goods.
pub(crate) const CATEGORIES: Resource = Resource {
    name: "categories",
    title: "Lines, quantities and amounts by interval, category and currency",
    view: "category_figures",
    takes: Takes::Calendar,
    rollups: &[CATEGORY_STATS],
    columns: &[
        START,
        START_LOCAL,
        column("category", Text, "Category of the goods."),
        CURRENCY,
        column("purchase_lines", Count, "Lines of purchases."),
        column("purchase_quantity", Quantity, "Sum of their quantities, in units of the products."),
        column("purchase_amount", Money, "Sum of their amounts, VAT included, in units of the currency."),
        column("return_lines", Count, "Lines of returns."),
        column("return_quantity", Quantity, "Sum of their quantities, in units of the products; normally negative."),
        column(
            "return_amount",
            Money,
            "Sum of their amounts, VAT included, in units of the currency; normally negative.",
        ),
        column("zero_lines", Count, "Lines of receipts with nothing to pay."),
        column("zero_quantity", Quantity, "Sum of their quantities, in units of the products."),
        column("zero_amount", Money, "Sum of their amounts, in units of the currency; within the tolerance of totals."),
    ],
    keys: &["start", "category", "currency"],
    filters: &["category", "currency"],
};

/// VAT and tips.
pub(crate) const TAXES_AND_TIPS: Resource = Resource {
    name: "taxes-and-tips",
    title: "VAT and tips by interval and currency",
    view: "tax_tip_figures",
    takes: Takes::Calendar,
    rollups: &[TAX_TIP_STATS],
    columns: &[
        START,
        START_LOCAL,
        CURRENCY,
        PURCHASES,
        PURCHASE_TOTAL,
        PURCHASE_NDS,
        PURCHASE_TIPS,
        MEAN_RECEIPT,
        TIPPED,
        RETURNS,
        RETURN_TOTAL,
        RETURN_NDS,
        RETURN_TIPS,
        ZEROS,
        ZERO_TIPS,
    ],
    keys: &["start", "currency"],
    filters: &["currency"],
};

/// The same by means of payment.
pub(crate) const PAYMENTS: Resource = Resource {
    name: "payments",
    title: "VAT and tips by interval, means of payment and currency",
    view: "payment_figures",
    takes: Takes::Calendar,
    rollups: &[TAX_TIP_STATS],
    columns: &[
        START,
        START_LOCAL,
        PAYMENT_METHOD,
        CURRENCY,
        PURCHASES,
        PURCHASE_TOTAL,
        PURCHASE_NDS,
        PURCHASE_TIPS,
        MEAN_RECEIPT,
        TIPPED,
        RETURNS,
        RETURN_TOTAL,
        RETURN_NDS,
        RETURN_TIPS,
        ZEROS,
        ZERO_TIPS,
    ],
    keys: &["start", "payment_method", "currency"],
    filters: &["payment_method", "currency"],
};

/// When the day is busy.
pub(crate) const LOAD: Resource = Resource {
    name: "load",
    title: "Receipts and transactions by hour of the day and currency",
    view: "load_figures",
    takes: Takes::Period,
    rollups: &[TAX_TIP_STATS, TRANSACTION_STATS],
    columns: &[
        column("hour", Hour, "Hour of the day by the zone's clock, 0 to 23."),
        CURRENCY,
        PURCHASES,
        PURCHASE_TOTAL,
        MEAN_RECEIPT,
        RETURNS,
        RETURN_TOTAL,
        ZEROS,
        TRANSACTIONS_COLUMN,
        column("transaction_amount", Money, "Sum of the transactions' amounts, in units of the currency."),
        BLOCKED,
    ],
    keys: &["hour", "currency"],
    filters: &["currency"],
};
