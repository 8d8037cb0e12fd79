//! Figures of transactions and customers.

use super::{
    super::column::{
        Kind::{Count, Day, Instant, Money, Text},
        column,
    },
    Resource, Takes,
    common::{
        ALLOWED, AMOUNT, BLOCKED, CURRENCY, MAX_SCORING, MEAN_AMOUNT, MEAN_SCORING, REVIEWED, START, START_LOCAL,
        TRANSACTIONS_COLUMN,
    },
    rollup::{CUSTOMER_STATS, TRANSACTION_STATS},
};

/// Transactions by band of risk.
pub(crate) const TRANSACTIONS: Resource = Resource {
    name: "transactions",
    title: "Transactions by interval and currency, and how many are of which risk",
    view: "transaction_figures",
    takes: Takes::Calendar,
    rollups: &[TRANSACTION_STATS],
    columns: &[
        START,
        START_LOCAL,
        CURRENCY,
        TRANSACTIONS_COLUMN,
        AMOUNT,
        MEAN_AMOUNT,
        ALLOWED,
        REVIEWED,
        BLOCKED,
        column("blocked_amount", Money, "Sum of the blocked amounts, in units of the currency."),
        column("defaulted", Count, "Transactions that neither model nor rules could score."),
        column("late", Count, "Transactions that came later than the lateness."),
        MEAN_SCORING,
        MAX_SCORING,
    ],
    keys: &["start", "currency"],
    filters: &["currency"],
};

/// One customer.
pub(crate) const CUSTOMER: Resource = Resource {
    name: "customers",
    title: "A customer's transactions by interval and currency",
    view: "customer_figures",
    takes: Takes::Days,
    rollups: &[CUSTOMER_STATS],
    columns: &[
        column("start", Day, "First day of the interval, UTC."),
        column("customer_id", Text, "Customer who pays."),
        CURRENCY,
        TRANSACTIONS_COLUMN,
        AMOUNT,
        MEAN_AMOUNT,
        column("max_amount", Money, "Largest amount, in units of the currency."),
        ALLOWED,
        REVIEWED,
        BLOCKED,
        MEAN_SCORING,
        MAX_SCORING,
        column("first_at", Instant, "Time of the interval's first transaction."),
        column("last_at", Instant, "Time of the interval's last transaction."),
    ],
    keys: &["start", "currency"],
    filters: &["currency"],
};
