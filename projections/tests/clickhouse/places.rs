//! The directory of places: it learns names, and keeps those that a place had.

use crate::{
    database::TestDatabase,
    events::{Generator, batch},
};
use clickhouse::Row;
use millrace_projections::clickhouse::set::Set;
use millrace_runtime::sink::Sink as _;
use millrace_schemas::event::Purchase;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A place: its name, its receipts, and each name with the times of the first and the last receipt and their number.
#[derive(Debug, PartialEq, Row, Deserialize)]
struct Place {
    place_id: String,
    place_name: String,
    receipts: u64,
    names: Vec<(String, i64, i64, u64)>,
}

async fn places(database: &TestDatabase) -> Vec<Place> {
    let sql = format!(
        "SELECT place_id, place_name, receipts, arrayMap(name -> (name.1, toUnixTimestamp64Milli(name.2), \
         toUnixTimestamp64Milli(name.3), name.4), names) AS names FROM {}.places ORDER BY place_id",
        database.clickhouse.database()
    );
    database.clickhouse.query(&sql).fetch_all().await.expect("places")
}

fn expected(purchases: &[Purchase]) -> Vec<Place> {
    let mut all: BTreeMap<&str, Vec<(i64, usize, &str)>> = BTreeMap::new();
    for (offset, purchase) in purchases.iter().enumerate() {
        let seen = (purchase.occurred_at, offset, purchase.receipt.place_name.as_str());
        all.entry(&purchase.receipt.place_id).or_default().push(seen);
    }
    let place = |(place_id, seen): (&str, Vec<(i64, usize, &str)>)| {
        let mut names: BTreeMap<&str, (i64, i64, u64)> = BTreeMap::new();
        for (at, _, name) in &seen {
            let known = names.entry(name).or_insert((*at, *at, 0));
            *known = (known.0.min(*at), known.1.max(*at), known.2 + 1);
        }
        let mut names: Vec<_> = names.into_iter().map(|(name, it)| (name.to_owned(), it.0, it.1, it.2)).collect();
        names.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        let last = seen.iter().max_by_key(|(at, offset, _)| (*at, *offset)).expect("a receipt");
        let (place_name, receipts) = (last.2.to_owned(), seen.len() as u64);
        Place { place_id: place_id.to_owned(), place_name, receipts, names }
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
