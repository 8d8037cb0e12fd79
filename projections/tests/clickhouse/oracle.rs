//! What the rollups must show, computed from the events alone, and what they do show.

use crate::database::TestDatabase;
use clickhouse::{Row, RowOwned, RowRead};
use millrace_schemas::{
    event::{Decision, DecisionSource, Purchase, ReceiptKind, TransactionScore},
    money,
    time::DAY_MS,
};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt::Debug};

const MINUTE: i64 = 60_000;

#[derive(Debug, Clone, PartialEq, Default, Row, Deserialize)]
struct TransactionStats {
    bucket: u32,
    currency: String,
    transactions: u64,
    amount: i128,
    mean_amount: i128,
    allowed: u64,
    reviewed: u64,
    blocked: u64,
    blocked_amount: i128,
    defaulted: u64,
    late: u64,
    mean_scoring: f64,
    max_scoring: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Row, Deserialize)]
struct CustomerStats {
    day: u16,
    customer_id: String,
    currency: String,
    transactions: u64,
    amount: i128,
    mean_amount: i128,
    max_amount: i64,
    allowed: u64,
    reviewed: u64,
    blocked: u64,
    mean_scoring: f64,
    max_scoring: f64,
    first_at: i64,
    last_at: i64,
}

#[derive(Debug, Clone, PartialEq, Default, Row, Deserialize)]
struct PlaceStats {
    bucket: u32,
    place_id: String,
    currency: String,
    place_name: String,
    purchases: u64,
    purchase_total: i128,
    purchase_nds: i128,
    purchase_tips: i128,
    mean_receipt: Option<i128>,
    returns: u64,
    return_total: i128,
    return_nds: i128,
    return_tips: i128,
    zeros: u64,
    zero_tips: i128,
}

#[derive(Debug, Clone, PartialEq, Default, Row, Deserialize)]
struct TaxTipStats {
    bucket: u32,
    currency: String,
    payment_method: String,
    purchases: u64,
    purchase_total: i128,
    purchase_nds: i128,
    purchase_tips: i128,
    tipped: u64,
    returns: u64,
    return_total: i128,
    return_nds: i128,
    return_tips: i128,
    zeros: u64,
    zero_tips: i128,
}

#[derive(Debug, Clone, PartialEq, Default, Row, Deserialize)]
struct CategoryStats {
    bucket: u32,
    category: String,
    currency: String,
    purchase_lines: u64,
    purchase_quantity: i128,
    purchase_amount: i128,
    return_lines: u64,
    return_quantity: i128,
    return_amount: i128,
    zero_lines: u64,
    zero_quantity: i128,
    zero_amount: i128,
}

#[derive(Debug, Clone, PartialEq, Default, Row, Deserialize)]
struct NdsRateStats {
    bucket: u32,
    nds_rate: String,
    currency: String,
    purchase_lines: u64,
    purchase_amount: i128,
    return_lines: u64,
    return_amount: i128,
    zero_lines: u64,
    zero_amount: i128,
}

/// Compares tables and rollups of transactions with the events that were written, each once.
pub async fn assert_transactions(database: &TestDatabase, events: &[TransactionScore]) {
    for table in ["transactions", "transaction_scores"] {
        let rows = database.number(&format!("SELECT count() FROM {{db}}.{table}")).await;
        assert_eq!(rows, events.len() as u64, "{table}");
    }
    assert_rows(database, "transaction_stats_1m", "bucket, currency", transaction_stats(events)).await;
    assert_rows(database, "customer_stats_1d", "day, customer_id, currency", customer_stats(events)).await;
}

/// Compares tables and rollups of receipts with the events that were written, each once, in log order.
pub async fn assert_purchases(database: &TestDatabase, events: &[Purchase]) {
    let lines: usize = events.iter().map(|event| event.lines.len()).sum();
    for (table, expected) in [("receipts", events.len()), ("receipt_items", lines)] {
        let rows = database.number(&format!("SELECT count() FROM {{db}}.{table}")).await;
        assert_eq!(rows, expected as u64, "{table}");
    }
    assert_rows(database, "place_stats_15m", "bucket, place_id, currency", place_stats(events)).await;
    assert_rows(database, "tax_tip_stats_15m", "bucket, currency, payment_method", tax_tip_stats(events)).await;
    assert_rows(database, "category_stats_15m", "bucket, category, currency", category_stats(events)).await;
    assert_rows(database, "nds_rate_stats_15m", "bucket, nds_rate, currency", nds_rate_stats(events)).await;
}

async fn assert_rows<T>(database: &TestDatabase, view: &str, order: &str, expected: Vec<T>)
where
    T: RowOwned + RowRead + Debug + PartialEq,
{
    let sql = format!("SELECT ?fields FROM {}.{view} ORDER BY {order}", database.clickhouse.database());
    let shown: Vec<T> =
        database.clickhouse.query(&sql).fetch_all().await.unwrap_or_else(|error| panic!("{view}: {error}"));
    for (shown, expected) in shown.iter().zip(&expected) {
        assert_eq!(shown, expected, "{view}");
    }
    assert_eq!(shown.len(), expected.len(), "rows of {view}");
}

/// Groups events and folds each group into its row, in the keys' order.
fn rollup<E, K: Ord, T: Default>(events: &[E], key: impl Fn(&E) -> K, mut add: impl FnMut(&mut T, &E)) -> Vec<T> {
    let mut groups: BTreeMap<K, T> = BTreeMap::new();
    for event in events {
        add(groups.entry(key(event)).or_default(), event);
    }
    groups.into_values().collect()
}

/// Start of the interval, in epoch seconds.
fn bucket(at: i64, length: i64) -> u32 {
    u32::try_from((at - at.rem_euclid(length)) / 1_000).expect("this century")
}

fn day(at: i64) -> u16 {
    u16::try_from(at.div_euclid(DAY_MS)).expect("this century")
}

fn mean(sum: i128, count: u64) -> i128 {
    money::div_half_even(sum, i128::from(count))
}

/// Scores are summed in millionths.
fn mean_of_scores(events: &[&TransactionScore]) -> f64 {
    let millionths: f64 = events.iter().map(|event| (event.scoring * 1e6).round_ties_even()).sum();
    millionths / 1e6 / events.len() as f64
}

fn transaction_stats(events: &[TransactionScore]) -> Vec<TransactionStats> {
    let key = |e: &TransactionScore| (bucket(e.occurred_at, MINUTE), e.transaction.currency.clone());
    let mut rows = rollup(events, key, |row: &mut TransactionStats, e| {
        (row.bucket, row.currency) = key(e);
        row.transactions += 1;
        row.amount += i128::from(e.transaction.amount);
        match e.decision {
            Decision::Allow => row.allowed += 1,
            Decision::Review => row.reviewed += 1,
            Decision::Block => {
                row.blocked += 1;
                row.blocked_amount += i128::from(e.transaction.amount);
            }
        }
        row.defaulted += u64::from(e.decision_source == DecisionSource::Default);
        row.late += u64::from(!e.window_exact);
        row.max_scoring = row.max_scoring.max(e.scoring);
    });
    for row in &mut rows {
        let group: Vec<&TransactionScore> =
            events.iter().filter(|e| key(e) == (row.bucket, row.currency.clone())).collect();
        row.mean_amount = mean(row.amount, row.transactions);
        row.mean_scoring = mean_of_scores(&group);
    }
    rows
}

fn customer_stats(events: &[TransactionScore]) -> Vec<CustomerStats> {
    let key =
        |e: &TransactionScore| (day(e.occurred_at), e.transaction.customer_id.clone(), e.transaction.currency.clone());
    let mut rows = rollup(events, key, |row: &mut CustomerStats, e| {
        (row.day, row.customer_id, row.currency) = key(e);
        row.transactions += 1;
        row.amount += i128::from(e.transaction.amount);
        row.max_amount = row.max_amount.max(e.transaction.amount);
        match e.decision {
            Decision::Allow => row.allowed += 1,
            Decision::Review => row.reviewed += 1,
            Decision::Block => row.blocked += 1,
        }
        row.max_scoring = row.max_scoring.max(e.scoring);
        row.first_at = if row.transactions == 1 { e.occurred_at } else { row.first_at.min(e.occurred_at) };
        row.last_at = row.last_at.max(e.occurred_at);
    });
    for row in &mut rows {
        let group: Vec<&TransactionScore> =
            events.iter().filter(|e| key(e) == (row.day, row.customer_id.clone(), row.currency.clone())).collect();
        row.mean_amount = mean(row.amount, row.transactions);
        row.mean_scoring = mean_of_scores(&group);
    }
    rows
}

fn place_stats(events: &[Purchase]) -> Vec<PlaceStats> {
    let key =
        |e: &Purchase| (bucket(e.occurred_at, 15 * MINUTE), e.receipt.place_id.clone(), e.receipt.currency.clone());
    let mut rows = rollup(events, key, |row: &mut PlaceStats, e| {
        (row.bucket, row.place_id, row.currency) = key(e);
        row.place_name.clone_from(&e.receipt.place_name);
        let (total, nds, tips) = amounts(e);
        match e.kind {
            ReceiptKind::Purchase => {
                row.purchases += 1;
                row.purchase_total += total;
                row.purchase_nds += nds;
                row.purchase_tips += tips;
            }
            ReceiptKind::Return => {
                row.returns += 1;
                row.return_total += total;
                row.return_nds += nds;
                row.return_tips += tips;
            }
            ReceiptKind::Zero => {
                row.zeros += 1;
                row.zero_tips += tips;
            }
        }
    });
    for row in &mut rows {
        row.mean_receipt = (row.purchases > 0).then(|| mean(row.purchase_total, row.purchases.max(1)));
    }
    rows
}

fn tax_tip_stats(events: &[Purchase]) -> Vec<TaxTipStats> {
    let key = |e: &Purchase| {
        (bucket(e.occurred_at, 15 * MINUTE), e.receipt.currency.clone(), e.receipt.payment_method.clone())
    };
    rollup(events, key, |row: &mut TaxTipStats, e| {
        (row.bucket, row.currency, row.payment_method) = key(e);
        let (total, nds, tips) = amounts(e);
        row.tipped += u64::from(tips > 0);
        match e.kind {
            ReceiptKind::Purchase => {
                row.purchases += 1;
                row.purchase_total += total;
                row.purchase_nds += nds;
                row.purchase_tips += tips;
            }
            ReceiptKind::Return => {
                row.returns += 1;
                row.return_total += total;
                row.return_nds += nds;
                row.return_tips += tips;
            }
            ReceiptKind::Zero => {
                row.zeros += 1;
                row.zero_tips += tips;
            }
        }
    })
}

fn category_stats(events: &[Purchase]) -> Vec<CategoryStats> {
    let lines: Vec<(&Purchase, usize)> = events.iter().flat_map(|e| (0..e.lines.len()).map(move |i| (e, i))).collect();
    let key = |(e, i): &(&Purchase, usize)| {
        (bucket(e.occurred_at, 15 * MINUTE), e.lines[*i].category.clone(), e.receipt.currency.clone())
    };
    rollup(&lines, key, |row: &mut CategoryStats, line| {
        (row.bucket, row.category, row.currency) = key(line);
        let (quantity, amount) = (i128::from(line.0.lines[line.1].quantity), i128::from(line.0.lines[line.1].amount));
        match line.0.kind {
            ReceiptKind::Purchase => {
                row.purchase_lines += 1;
                row.purchase_quantity += quantity;
                row.purchase_amount += amount;
            }
            ReceiptKind::Return => {
                row.return_lines += 1;
                row.return_quantity += quantity;
                row.return_amount += amount;
            }
            ReceiptKind::Zero => {
                row.zero_lines += 1;
                row.zero_quantity += quantity;
                row.zero_amount += amount;
            }
        }
    })
}

fn nds_rate_stats(events: &[Purchase]) -> Vec<NdsRateStats> {
    let lines: Vec<(&Purchase, usize)> = events.iter().flat_map(|e| (0..e.lines.len()).map(move |i| (e, i))).collect();
    let key = |(e, i): &(&Purchase, usize)| {
        // Whole percents, as the generator has them.
        let rate = e.lines[*i].nds_rate.map(|rate| (rate / 10_000).to_string()).unwrap_or_default();
        (bucket(e.occurred_at, 15 * MINUTE), rate, e.receipt.currency.clone())
    };
    rollup(&lines, key, |row: &mut NdsRateStats, line| {
        (row.bucket, row.nds_rate, row.currency) = key(line);
        let amount = i128::from(line.0.lines[line.1].amount);
        let (lines, sum) = match line.0.kind {
            ReceiptKind::Purchase => (&mut row.purchase_lines, &mut row.purchase_amount),
            ReceiptKind::Return => (&mut row.return_lines, &mut row.return_amount),
            ReceiptKind::Zero => (&mut row.zero_lines, &mut row.zero_amount),
        };
        *lines += 1;
        *sum += amount;
    })
}

fn amounts(e: &Purchase) -> (i128, i128, i128) {
    (i128::from(e.receipt.total_amount), i128::from(e.receipt.nds_amount), i128::from(e.receipt.tips_amount))
}
