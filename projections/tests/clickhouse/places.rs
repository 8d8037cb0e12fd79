//! The directory of places: it learns names, and keeps those that a place had.

use crate::{
    database::TestDatabase,
    events::{Generator, batch},
};
use clickhouse::Row;
use millrace_projections::clickhouse::set::Set;
use millrace_runtime::sink::Sink as _;
use millrace_schemas::event::{Purchase, ReceiptKind};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// A place: its name, its receipts, and each name with the times of the first and the last receipt, and their numbers.
#[derive(Debug, PartialEq, Row, Deserialize)]
struct Place {
    place_id: String,
    place_name: String,
    counts: Vec<u64>,
    currencies: Vec<String>,
    names: Vec<(String, i64, i64, Vec<u64>)>,
}

async fn places(database: &TestDatabase) -> Vec<Place> {
    let sql = format!(
        "SELECT p.place_id, p.place_name, [p.receipts, p.purchases, p.returns] AS counts, p.currencies, n.all AS names FROM {0}.places AS p \
         INNER JOIN (SELECT place_id, arraySort(name -> (name.2, name.1), groupArray((place_name, toUnixTimestamp64Milli(first_at), \
         toUnixTimestamp64Milli(last_at), [receipts, purchases, returns]))) AS all FROM {0}.place_names GROUP BY place_id) AS n \
         ON n.place_id = p.place_id AND length(n.all) = p.names ORDER BY p.place_id",
        database.clickhouse.database()
    );
    database.clickhouse.query(&sql).fetch_all().await.expect("places")
}

fn expected(purchases: &[Purchase]) -> Vec<Place> {
    let mut all: BTreeMap<&str, Vec<(i64, usize, &Purchase)>> = BTreeMap::new();
    for (offset, purchase) in purchases.iter().enumerate() {
        all.entry(&purchase.receipt.place_id).or_default().push((purchase.occurred_at, offset, purchase));
    }
    let counts_of = |seen: &mut dyn Iterator<Item = &Purchase>| {
        let counted = seen.fold([0, 0, 0], |[receipts, purchases, returns], it| {
            let is = |kind| u64::from(it.kind == kind);
            [receipts + 1, purchases + is(ReceiptKind::Purchase), returns + is(ReceiptKind::Return)]
        });
        Vec::from(counted)
    };
    let place = |(place_id, seen): (&str, Vec<(i64, usize, &Purchase)>)| {
        let mut by_name: BTreeMap<&str, Vec<&Purchase>> = BTreeMap::new();
        for (_, _, purchase) in &seen {
            by_name.entry(&purchase.receipt.place_name).or_default().push(purchase);
        }
        let mut names: Vec<_> = by_name
            .into_iter()
            .map(|(name, of)| {
                let times = || of.iter().map(|it| it.occurred_at);
                let (first, last) = (times().min().expect("a receipt"), times().max().expect("a receipt"));
                (name.to_owned(), first, last, counts_of(&mut of.iter().copied()))
            })
            .collect();
        names.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        let last = seen.iter().max_by_key(|(at, offset, _)| (*at, *offset)).expect("a receipt");
        let currencies: BTreeSet<&str> = seen.iter().map(|(_, _, it)| it.receipt.currency.as_str()).collect();
        Place {
            place_id: place_id.to_owned(),
            place_name: last.2.receipt.place_name.clone(),
            counts: counts_of(&mut seen.iter().map(|(_, _, it)| *it)),
            currencies: currencies.into_iter().map(ToOwned::to_owned).collect(),
            names,
        }
    };
    all.into_iter().map(place).collect()
}

#[tokio::test]
async fn a_place_that_is_renamed_keeps_its_history_and_late_receipts_change_no_name() {
    let database = TestDatabase::migrated().await;
    let purchases = Generator::new(70).purchases(400);
    for (index, part) in purchases.chunks(150).enumerate() {
        database.sink().write(&batch(0, index as i64 * 150, part)).await.expect("batch");
        let so_far = &purchases[..index * 150 + part.len()];
        assert_eq!(places(&database).await, expected(so_far));
    }
    assert!(places(&database).await.iter().all(|place| place.names.len() == 3), "each had every name");
    database.run(&format!("OPTIMIZE TABLE {{db}}.place_name_stats_1d_{} FINAL", Set::FIRST)).await;
    assert_eq!(places(&database).await, expected(&purchases));
}

#[tokio::test]
async fn returns_are_linked_to_their_original_and_lines_have_their_rate() {
    let database = TestDatabase::migrated().await;
    let purchases = Generator::new(71).purchases(60);
    database.sink().write(&batch(0, 0, &purchases)).await.expect("batch");
    let returns = purchases.iter().filter(|it| it.original_trn_id.is_some()).count() as u64;
    assert!(returns > 0);
    let linked = "SELECT countIf(kind = 'return') FROM {db}.receipts WHERE original_trn_id IS NOT NULL AND original_transaction_id = 'receipt-0'";
    assert_eq!(database.number(linked).await, returns);
    let rated: usize = purchases.iter().flat_map(|it| &it.lines).filter(|line| line.nds_rate.is_some()).count();
    let rates = "SELECT count() FROM {db}.receipt_items WHERE nds_rate = 20";
    assert_eq!(database.number(rates).await, rated as u64);
}
