//! Figures of receipts and places; the load of receipts and transactions together.

use super::{
    super::column::{
        Kind::{Count, Hour, Instant, Money, Quantity, Text, Texts},
        column,
    },
    Resource, Takes,
    common::{
        BLOCKED, CURRENCY, MEAN_RECEIPT, PAYMENT_METHOD, PURCHASE_AMOUNT, PURCHASE_NDS, PURCHASE_TIPS, PURCHASE_TOTAL,
        PURCHASES, RETURN_AMOUNT, RETURN_NDS, RETURN_TIPS, RETURN_TOTAL, RETURNS, START, START_LOCAL, TIPPED,
        TRANSACTIONS_COLUMN, ZERO_AMOUNT, ZERO_TIPS, ZEROS,
    },
    rollup::{CATEGORY_STATS, NDS_RATE_STATS, PLACE_NAME_STATS, PLACE_STATS, TAX_TIP_STATS, TRANSACTION_STATS},
};

/// Every place.
pub(crate) const DIRECTORY: Resource = Resource {
    name: "places",
    title: "Every place that ever made out a receipt",
    view: "places",
    takes: Takes::Nothing,
    rollups: &[PLACE_NAME_STATS],
    columns: &[
        column("place_id", Text, "Place of purchase."),
        column("place_name", Text, "Its name on its last receipt, by the receipts' own times."),
        column("names", Count, "How many names it has had."),
        column("first_at", Instant, "Time of its first receipt."),
        column("last_at", Instant, "Time of its last receipt."),
        column("receipts", Count, "Receipts of any kind."),
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
    rollups: &[PLACE_NAME_STATS],
    columns: &[
        column("place_name", Text, "A name it had."),
        column("first_at", Instant, "Time of the first receipt with it."),
        column("last_at", Instant, "Time of the last receipt with it."),
        column("receipts", Count, "Receipts with it, of any kind."),
        column("purchases", Count, "Those with a total above zero."),
        column("returns", Count, "Those with a total below zero."),
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
        PURCHASE_AMOUNT,
        column("return_lines", Count, "Lines of returns."),
        column("return_quantity", Quantity, "Sum of their quantities, in units of the products; normally negative."),
        RETURN_AMOUNT,
        column("zero_lines", Count, "Lines of receipts with nothing to pay."),
        column("zero_quantity", Quantity, "Sum of their quantities, in units of the products."),
        ZERO_AMOUNT,
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

/// Lines by rate of VAT.
pub(crate) const NDS_RATES: Resource = Resource {
    name: "nds-rates",
    title: "Lines and amounts by interval, VAT rate and currency",
    view: "nds_rate_figures",
    takes: Takes::Calendar,
    rollups: &[NDS_RATE_STATS],
    columns: &[
        START,
        START_LOCAL,
        column("nds_rate", Text, "VAT rate in percent, such as 20 or 5.5; empty where the till named none."),
        CURRENCY,
        column("purchase_lines", Count, "Lines of purchases."),
        PURCHASE_AMOUNT,
        column("return_lines", Count, "Lines of returns."),
        RETURN_AMOUNT,
        column("zero_lines", Count, "Lines of receipts with nothing to pay."),
        ZERO_AMOUNT,
    ],
    keys: &["start", "nds_rate", "currency"],
    filters: &["nds_rate", "currency"],
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
