//! What the log makes of a stretch, table by table, and where the tables differ.

use crate::clickhouse::{
    ClickHouse, ClickHouseError,
    held::{Held, HeldOffset, Stretch, offset_hash},
    tables,
};
use millrace_runtime::Record;
use millrace_schemas::{
    Topic,
    event::{OffsetDifference, Purchase, ReceiptMatch, TransactionScore},
    wire::Codec,
};
use std::collections::{BTreeMap, BTreeSet};

/// What one record makes in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Made {
    offset: i64,
    rows: u64,
    currency: String,
    amount: i64,
}

/// What a stretch of the log makes, by table.
#[derive(Debug, Default)]
pub(super) struct Expected(BTreeMap<&'static str, Vec<Made>>);

/// Sums of one table and currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) rows: u64,
    checksum: u64,
    pub(super) amount: i128,
}

impl Expected {
    /// Adds what a record makes. One that cannot be decoded makes nothing: it became a dead letter.
    pub(super) fn add(&mut self, codec: &Codec, record: &Record) {
        for (table, rows, currency, amount) in made(codec, record).unwrap_or_default() {
            if rows > 0 {
                let made = Made { offset: record.offset, rows, currency, amount };
                self.0.entry(table).or_default().push(made);
            }
        }
    }

    /// Sums of a table by currency.
    pub(super) fn sums(&self, table: &str) -> BTreeMap<String, Sum> {
        let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
        for made in self.of(table) {
            let sum = sums.entry(made.currency.clone()).or_default();
            sum.rows += made.rows;
            sum.checksum = sum.checksum.wrapping_add(offset_hash(made.offset).wrapping_mul(made.rows));
            sum.amount += i128::from(made.amount);
        }
        sums
    }

    fn of(&self, table: &str) -> &[Made] {
        self.0.get(table).map_or(&[], Vec::as_slice)
    }
}

/// Tables a record has rows in, and how many rows, which currency and how much money.
fn made(codec: &Codec, record: &Record) -> Option<Vec<(&'static str, u64, String, i64)>> {
    let value = record.value.as_deref();
    let tables = tables::of_topic(record.topic).iter();
    Some(match record.topic {
        Topic::TransactionScores => {
            let score: TransactionScore = codec.decode(value).ok()?;
            let (currency, amount) = (score.transaction.currency, score.transaction.amount);
            tables.map(|table| (*table, 1, currency.clone(), amount)).collect()
        }
        Topic::Purchases => {
            let purchase: Purchase = codec.decode(value).ok()?;
            let (lines, currency) = (&purchase.lines, &purchase.receipt.currency);
            let of_lines = (lines.len() as u64, lines.iter().map(|line| line.amount).sum());
            let of_receipt = (1, purchase.receipt.total_amount);
            let sums = |table: &str| if table == tables::RECEIPT_ITEMS.name { of_lines } else { of_receipt };
            tables.map(|table| (*table, sums(table).0, currency.clone(), sums(table).1)).collect()
        }
        Topic::ReceiptMatches => {
            let receipt = codec.decode::<ReceiptMatch>(value).ok()?.receipt;
            tables.map(|table| (*table, 1, receipt.currency.clone(), receipt.amount)).collect()
        }
        _ => {
            codec.decode_json(value).ok()?;
            tables.map(|table| (*table, 1, String::new(), 0)).collect()
        }
    })
}

/// Whether a table holds what it should, by its sums.
pub(super) async fn agrees(
    clickhouse: &ClickHouse,
    table: &'static str,
    stretch: &Stretch,
    expected: &BTreeMap<String, Sum>,
) -> Result<bool, ClickHouseError> {
    let held = clickhouse.held(table, stretch).await?;
    let sum = |held: Held| {
        let amount = held.amount.parse().unwrap_or_default();
        (held.currency, Sum { rows: held.rows, checksum: held.checksum, amount })
    };
    Ok(held.into_iter().map(sum).collect::<BTreeMap<_, _>>() == *expected)
}

/// Where a table differs, offset by offset.
pub(super) async fn differences(
    clickhouse: &ClickHouse,
    table: &'static str,
    stretch: &Stretch,
    expected: &Expected,
) -> Result<Vec<OffsetDifference>, ClickHouseError> {
    let held = clickhouse.held_offsets(table, stretch).await?;
    let given_up: BTreeSet<i64> = clickhouse.given_up(stretch).await?.into_iter().collect();
    let found = compare(table, expected.of(table), &held);
    let excused = |difference: &OffsetDifference| difference.kind == "missing" && given_up.contains(&difference.offset);
    Ok(found.into_iter().filter(|difference| !excused(difference)).collect())
}

/// Merges two lists that are in order of offsets.
fn compare(table: &str, expected: &[Made], held: &[HeldOffset]) -> Vec<OffsetDifference> {
    let mut stored: BTreeMap<i64, &HeldOffset> = held.iter().map(|held| (held.offset, held)).collect();
    let mut differences = Vec::new();
    let mut add = |offset: i64, kind: &str, expected: String, found: String| {
        let (kind, table) = (kind.to_owned(), Some(table.to_owned()));
        differences.push(OffsetDifference { offset, kind, table, expected, found });
    };
    for made in expected {
        let held = stored.remove(&made.offset);
        let rows = held.map_or(0, |held| held.rows);
        if rows != made.rows {
            let kind = if rows < made.rows { "missing" } else { "doubled" };
            add(made.offset, kind, made.rows.to_string(), rows.to_string());
        } else if let Some(held) = held
            && (held.currency != made.currency || held.amount != made.amount.to_string())
        {
            let expected = format!("{} {}", made.amount, made.currency);
            add(made.offset, "money", expected, format!("{} {}", held.amount, held.currency));
        }
    }
    for (offset, held) in stored {
        add(offset, "made_up", "0".to_owned(), held.rows.to_string());
    }
    differences.sort_by_key(|difference| difference.offset);
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(offset: i64, rows: u64, amount: i64) -> Made {
        Made { offset, rows, currency: "EUR".into(), amount }
    }

    fn held(offset: i64, rows: u64, amount: &str) -> HeldOffset {
        HeldOffset { offset, rows, currency: "EUR".into(), amount: amount.into() }
    }

    #[test]
    fn each_offset_that_differs_is_named_with_what_differs() {
        let expected = [made(1, 1, 10), made(2, 2, 20), made(4, 1, 40), made(5, 1, 50), made(6, 1, 60)];
        let stored = [held(1, 1, "10"), held(2, 1, "10"), held(3, 1, "9"), held(4, 2, "80"), held(5, 1, "51")];
        let differences = compare("t", &expected, &stored);
        let told: Vec<_> = differences
            .iter()
            .map(|it| (it.offset, it.kind.as_str(), it.expected.as_str(), it.found.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (2, "missing", "2", "1"),
                (3, "made_up", "0", "1"),
                (4, "doubled", "1", "2"),
                (5, "money", "50 EUR", "51 EUR"),
                (6, "missing", "1", "0"),
            ]
        );
    }
}
