//! Rollups against a fresh aggregate over the tables they are made of.

use crate::Deployment;

/// A rollup, the columns to compare, and the same figures from the base table.
struct Rollup {
    name: &'static str,
    key: &'static str,
    columns: &'static str,
    base: &'static str,
}

const ROLLUPS: &[Rollup] = &[
    Rollup {
        name: "transaction_stats_1m",
        key: "bucket, currency",
        columns: "transactions, amount, allowed, reviewed, blocked, blocked_amount, defaulted, late, max_scoring",
        base: "SELECT toStartOfMinute(occurred_at) AS bucket, currency, count() AS transactions, sum(s.amount) AS amount,
               countIf(decision = 'allow') AS allowed, countIf(decision = 'review') AS reviewed,
               countIf(decision = 'block') AS blocked, sumIf(s.amount, decision = 'block') AS blocked_amount,
               countIf(decision_source = 'default') AS defaulted, countIf(NOT window_exact) AS late,
               max(scoring) AS max_scoring FROM transaction_scores AS s GROUP BY bucket, currency",
    },
    Rollup {
        name: "customer_stats_1d",
        key: "day, customer_id, currency",
        columns: "transactions, amount, max_amount, allowed, reviewed, blocked, max_scoring",
        base: "SELECT toDate(occurred_at) AS day, customer_id, currency, count() AS transactions, sum(s.amount) AS amount,
               max(s.amount) AS max_amount, countIf(decision = 'allow') AS allowed, countIf(decision = 'review') AS reviewed,
               countIf(decision = 'block') AS blocked, max(scoring) AS max_scoring
               FROM transaction_scores AS s GROUP BY day, customer_id, currency",
    },
    Rollup {
        name: "place_name_stats_1d",
        key: "day, place_id, place_name",
        columns: "receipts, purchases, returns, currencies, first_at, last_at",
        base: "SELECT toDate(occurred_at) AS day, place_id, toString(place_name) AS place_name, count() AS receipts,
               countIf(kind = 'purchase') AS purchases, countIf(kind = 'return') AS returns,
               arraySort(groupUniqArray(toString(currency))) AS currencies,
               min(occurred_at) AS first_at, max(occurred_at) AS last_at FROM receipts GROUP BY day, place_id, place_name",
    },
    Rollup {
        name: "place_stats_15m",
        key: "bucket, place_id, currency",
        columns: "purchases, purchase_total, purchase_nds, purchase_tips, returns, return_total, return_nds, zeros",
        base: "SELECT toStartOfFifteenMinutes(occurred_at) AS bucket, place_id, currency, countIf(kind = 'purchase') AS purchases,
               sumIf(total_amount, kind = 'purchase') AS purchase_total, sumIf(nds_amount, kind = 'purchase') AS purchase_nds,
               sumIf(tips_amount, kind = 'purchase') AS purchase_tips, countIf(kind = 'return') AS returns,
               sumIf(total_amount, kind = 'return') AS return_total, sumIf(nds_amount, kind = 'return') AS return_nds,
               countIf(kind = 'zero') AS zeros FROM receipts GROUP BY bucket, place_id, currency",
    },
    Rollup {
        name: "tax_tip_stats_15m",
        key: "bucket, currency, payment_method",
        columns: "purchases, purchase_total, purchase_nds, purchase_tips, tipped, returns, return_total, return_nds, zeros",
        base: "SELECT toStartOfFifteenMinutes(occurred_at) AS bucket, currency, payment_method,
               countIf(kind = 'purchase') AS purchases, sumIf(total_amount, kind = 'purchase') AS purchase_total,
               sumIf(nds_amount, kind = 'purchase') AS purchase_nds, sumIf(tips_amount, kind = 'purchase') AS purchase_tips,
               countIf(tips_amount > 0) AS tipped, countIf(kind = 'return') AS returns,
               sumIf(total_amount, kind = 'return') AS return_total, sumIf(nds_amount, kind = 'return') AS return_nds,
               countIf(kind = 'zero') AS zeros FROM receipts GROUP BY bucket, currency, payment_method",
    },
    Rollup {
        name: "category_stats_15m",
        key: "bucket, category, currency",
        columns: "purchase_lines, purchase_quantity, purchase_amount, return_lines, return_quantity, return_amount, zero_lines",
        base: "SELECT toStartOfFifteenMinutes(occurred_at) AS bucket, category, currency,
               countIf(kind = 'purchase') AS purchase_lines, sumIf(quantity, kind = 'purchase') AS purchase_quantity,
               sumIf(i.amount, kind = 'purchase') AS purchase_amount, countIf(kind = 'return') AS return_lines,
               sumIf(quantity, kind = 'return') AS return_quantity, sumIf(i.amount, kind = 'return') AS return_amount,
               countIf(kind = 'zero') AS zero_lines FROM receipt_items AS i GROUP BY bucket, category, currency",
    },
    Rollup {
        name: "nds_rate_stats_15m",
        key: "bucket, nds_rate, currency",
        columns: "purchase_lines, purchase_amount, return_lines, return_amount, zero_lines, zero_amount",
        base: "SELECT toStartOfFifteenMinutes(occurred_at) AS bucket, ifNull(toString(i.nds_rate), '') AS nds_rate, currency,
               countIf(kind = 'purchase') AS purchase_lines, sumIf(i.amount, kind = 'purchase') AS purchase_amount,
               countIf(kind = 'return') AS return_lines, sumIf(i.amount, kind = 'return') AS return_amount,
               countIf(kind = 'zero') AS zero_lines, sumIf(i.amount, kind = 'zero') AS zero_amount
               FROM receipt_items AS i GROUP BY bucket, nds_rate, currency",
    },
];

/// Panics unless every rollup holds exactly what an aggregate over its table gives now.
pub async fn assert_exact(deployment: &Deployment) {
    for Rollup { name, key, columns, base } in ROLLUPS {
        let shown = |from: &str| format!("SELECT {key}, {columns} FROM {from} ORDER BY {key}");
        let (stored, fresh) =
            (deployment.query(&shown(name)).await, deployment.query(&shown(&format!("({base})"))).await);
        for (stored, fresh) in stored.iter().zip(&fresh) {
            assert_eq!(stored, fresh, "{name}");
        }
        assert_eq!(stored.len(), fresh.len(), "rows of {name}");
    }
}
