//! The resources: which view each reads, what its columns mean, and what it can be filtered by.

mod common;
mod model;
mod receipts;
mod rollup;
mod transactions;

pub(crate) use model::{CARDS, DRIFT, FALLBACK, GRADES, THRESHOLDS};
pub(crate) use receipts::{CATEGORIES, DIRECTORY, LOAD, NAMES, NDS_RATES, PAYMENTS, PLACES, TAXES_AND_TIPS};
pub(crate) use rollup::{CATEGORY_STATS, PLACE_STATS, Rollup, Source, TAX_TIP_STATS, TRANSACTION_STATS, sources};
pub(crate) use transactions::{CUSTOMER, TRANSACTIONS};

use super::column::Column;
use serde_json::{Map, Value as Json, json};

/// What is asked for under one path, or by one value of `by` under it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Last part of the path, and name of files with its rows.
    pub name: &'static str,
    /// What its rows are, as a title.
    pub title: &'static str,
    /// View that has them.
    pub view: &'static str,
    /// What the view must be told.
    pub takes: Takes,
    /// What its figures come from; for views of rows, what tells when there are any.
    pub rollups: &'static [&'static Rollup],
    /// Columns, the keys first.
    pub columns: &'static [Column],
    /// Names of the columns that tell one row from another, in the order of rows.
    pub keys: &'static [&'static str],
    /// Names of the columns it can be filtered by, as parameters.
    pub filters: &'static [&'static str],
}

/// What a view must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// `from`, `to`, `interval`, `zone`.
    Calendar,
    /// `from`, `to`, `zone`.
    Period,
    /// `from` and `to` as UTC days, and `interval`.
    Days,
    /// Nothing; its column `day` is asked for from and up to UTC days.
    DayColumn,
    /// The same, and how many cards of a day are looked at.
    Cards,
    /// `from` and `to`, and the reference period before them.
    Drift,
}

impl Takes {
    /// Whether a period is asked for.
    pub fn period(self) -> bool {
        self != Self::Nothing
    }

    /// Whether the period is one of UTC days.
    pub fn utc_days(self) -> bool {
        matches!(self, Self::Days | Self::DayColumn | Self::Cards | Self::Drift)
    }

    /// Whether rows are of an interval that the caller chooses.
    pub fn interval(self) -> bool {
        matches!(self, Self::Calendar | Self::Days)
    }

    /// Whether a zone can be chosen.
    pub fn zone(self) -> bool {
        matches!(self, Self::Calendar | Self::Period)
    }
}

/// What taxes and tips can be told by.
pub(crate) const TAXES_AND_TIPS_BY: &[(&str, &Resource)] =
    &[("currency", &TAXES_AND_TIPS), ("payment_method", &PAYMENTS), ("nds_rate", &NDS_RATES)];

/// What can be told of how well scores tell fraud.
pub(crate) const SECTIONS: &[(&str, &Resource)] =
    &[("days", &GRADES), ("thresholds", &THRESHOLDS), ("cards", &CARDS), ("drift", &DRIFT), ("fallback", &FALLBACK)];

/// Every resource, for what must hold of each.
pub(crate) const ALL: [&Resource; 15] = [
    &DIRECTORY,
    &NAMES,
    &PLACES,
    &CATEGORIES,
    &TAXES_AND_TIPS,
    &PAYMENTS,
    &NDS_RATES,
    &LOAD,
    &TRANSACTIONS,
    &CUSTOMER,
    &GRADES,
    &THRESHOLDS,
    &CARDS,
    &DRIFT,
    &FALLBACK,
];

impl Resource {
    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Name of the schema of its rows.
    pub fn schema_name(&self) -> String {
        let words = self.view.split('_').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        });
        format!("{}Row", words.collect::<String>())
    }

    /// A reference to the schema of its rows.
    pub fn reference(&self) -> Json {
        json!({"$ref": format!("#/components/schemas/{}", self.schema_name())})
    }

    /// The schema of its rows.
    pub fn schema(&self) -> Json {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        let columns: Map<String, Json> =
            self.columns.iter().map(|column| (column.name.to_owned(), column.schema())).collect();
        json!({"type": "object", "description": self.title, "required": names, "properties": columns, "additionalProperties": false})
    }
}

#[cfg(test)]
mod tests {
    use super::{super::column::Kind::Text, *};

    #[test]
    fn keys_and_filters_are_columns_and_rows_can_be_ordered_by_keys() {
        for resource in ALL {
            for name in resource.keys {
                assert!(resource.column(name).is_some_and(Column::orders), "{}: {name}", resource.view);
            }
            for name in resource.filters {
                let column = resource.column(name).expect(name);
                assert_eq!(column.kind, Text, "{}: {name}", resource.view);
            }
        }
    }
}
