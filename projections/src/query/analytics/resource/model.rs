//! How well scores tell fraud.

use super::{
    super::column::{
        Kind::{Count, MaybeShare, Money, Share, Text},
        column,
    },
    Resource, Takes,
    common::{CURRENCY, DAY, TRANSACTIONS_COLUMN},
    rollup::TRANSACTION_STATS,
};

/// Decisions against labels, by day.
pub(crate) const GRADES: Resource = Resource {
    name: "model",
    title: "Decisions against labels, by day, currency and what decided",
    view: "grades_1d",
    takes: Takes::DayColumn,
    rollups: &[TRANSACTION_STATS],
    columns: &[
        DAY,
        CURRENCY,
        column("decision_source", Text, "What decided: model, rules or default."),
        TRANSACTIONS_COLUMN,
        column("labelled", Count, "Those of them that have a label."),
        column("alerts", Count, "Transactions decided review or block."),
        column("labelled_alerts", Count, "Those of the alerts that have a label."),
        column("frauds", Count, "Transactions labelled fraud or chargeback."),
        column("caught", Count, "Frauds that were alerts."),
        column("fraud_amount", Money, "Sum of the frauds' amounts, in units of the currency."),
        column("caught_amount", Money, "Sum of the amounts of frauds that were alerts, in units of the currency."),
        column(
            "false_alarm_amount",
            Money,
            "Sum of the amounts of alerts labelled legitimate, in units of the currency.",
        ),
        column("label_maturity", Share, "Share of the transactions that have a label."),
        column("precision", MaybeShare, "Share of the labelled alerts that are frauds; null without one."),
        column("recall", MaybeShare, "Share of the frauds that were alerts; null without one."),
    ],
    keys: &["day", "currency", "decision_source"],
    filters: &["currency", "decision_source"],
};

/// What other thresholds would have come to.
pub(crate) const THRESHOLDS: Resource = Resource {
    name: "model-thresholds",
    title: "What other thresholds would have come to, by day, of scores that were no default",
    view: "thresholds_1d",
    takes: Takes::DayColumn,
    rollups: &[TRANSACTION_STATS],
    columns: &[
        DAY,
        column(
            "threshold",
            Share,
            "Score from which on a transaction would be an alert: 0.05, 0.1, and so on to 0.95.",
        ),
        column("alerts", Count, "Transactions with at least that score."),
        column("labelled_alerts", Count, "Those of the alerts that have a label."),
        column("frauds", Count, "Transactions labelled fraud or chargeback, whatever their score."),
        column("caught", Count, "Frauds among the alerts."),
        column("precision", MaybeShare, "Share of the labelled alerts that are frauds; null without one."),
        column("recall", MaybeShare, "Share of the frauds that are alerts; null without one."),
    ],
    keys: &["day", "threshold"],
    filters: &[],
};

/// Precision among the highest scores of a day.
pub(crate) const CARDS: Resource = Resource {
    name: "model-cards",
    title: "Card precision: of the customers with the highest scores of a day, the share with a fraud on it",
    view: "card_precision_1d",
    takes: Takes::Cards,
    rollups: &[TRANSACTION_STATS],
    columns: &[
        DAY,
        column("cards", Count, "Customers with the highest scores of the day that were looked at."),
        column("frauds", Count, "Those of them with a fraud on that day."),
        column("precision", Share, "frauds by cards."),
    ],
    keys: &["day"],
    filters: &[],
};

/// How far features have moved.
pub(crate) const DRIFT: Resource = Resource {
    name: "model-drift",
    title: "How far the score and each feature have moved against the period before",
    view: "drift",
    takes: Takes::Drift,
    rollups: &[TRANSACTION_STATS],
    columns: &[
        column("name", Text, "Feature, or scoring."),
        column("reference", Count, "Values in the reference period."),
        column("current", Count, "Values in the period asked for."),
        column(
            "psi",
            Share,
            "Population stability index; by convention, below 0.1 is stable and above 0.25 is to be acted on.",
        ),
    ],
    keys: &["name"],
    filters: &["name"],
};

/// How many scores were defaults.
pub(crate) const FALLBACK: Resource = Resource {
    name: "model-fallback",
    title: "Share of the transactions that neither model nor rules could score, by day",
    view: "fallback_1d",
    takes: Takes::DayColumn,
    rollups: &[TRANSACTION_STATS],
    columns: &[
        DAY,
        TRANSACTIONS_COLUMN,
        column("defaulted", Count, "Those that neither model nor rules could score."),
        column("fallback_share", Share, "defaulted by transactions."),
    ],
    keys: &["day"],
    filters: &[],
};
