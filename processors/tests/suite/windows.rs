//! Windows against an oracle that looks at every transaction again each time.

use crate::common::{NOON, after, score, transaction};
use millrace_schemas::{
    event::{Transaction, TransactionScore, Windows},
    time::HOUR_MS,
};
use proptest::prelude::*;

const LATENESS_MS: i64 = 24 * HOUR_MS;

/// Windows of the last of these, which stand in the log's order, and whether they are exact.
fn oracle(log: &[Transaction]) -> (Windows, bool) {
    let (now, earlier) = log.split_last().expect("at least one");
    let of_customer = |t: &&Transaction| t.customer_id == now.customer_id;
    let newest = log.iter().filter(of_customer).map(|t| t.occurred_at).max().expect("itself at least");
    let is_retained = |t: &&Transaction| t.occurred_at > newest - LATENESS_MS - 24 * HOUR_MS;
    let mut seen: Vec<&Transaction> = earlier.iter().filter(of_customer).filter(is_retained).collect();
    seen.push(now);
    let window = |hours: i64| {
        let from = now.occurred_at - hours * HOUR_MS;
        let inside = seen.iter().filter(|t| from < t.occurred_at && t.occurred_at <= now.occurred_at);
        let own: Vec<i128> =
            inside.clone().filter(|t| t.currency == now.currency).map(|t| i128::from(t.amount)).collect();
        (inside.count() as i32, rounded_mean(&own))
    };
    let windows = Windows {
        customer_transaction_count_3h: window(3).0,
        customer_avg_amount_3h: window(3).1,
        customer_transaction_count_6h: window(6).0,
        customer_avg_amount_6h: window(6).1,
        customer_transaction_count_12h: window(12).0,
        customer_avg_amount_12h: window(12).1,
        customer_transaction_count_24h: window(24).0,
        customer_avg_amount_24h: window(24).1,
    };
    (windows, now.occurred_at >= newest - LATENESS_MS)
}

/// Half to even, of amounts that are not negative.
fn rounded_mean(amounts: &[i128]) -> i64 {
    let (sum, count) = (amounts.iter().sum::<i128>(), amounts.len() as i128);
    let (below, rest) = (sum / count, sum % count);
    let is_half = 2 * rest == count;
    let up = if is_half { below % 2 == 1 } else { 2 * rest > count };
    (below + i128::from(up)) as i64
}

fn assert_equals_the_oracle(log: &[Transaction]) -> Result<Vec<TransactionScore>, TestCaseError> {
    let scores = score(log);
    for (index, score) in scores.iter().enumerate() {
        let expected = oracle(&log[..=index]);
        prop_assert_eq!((&score.windows, score.window_exact), (&expected.0, expected.1), "offset {}", index);
    }
    Ok(scores)
}

/// A transaction of one of three customers in one of three currencies; amounts from small, so that halves occur, to the largest.
fn any_transaction(at: impl Strategy<Value = i64>) -> impl Strategy<Value = Transaction> {
    let amount = prop_oneof![4 => 0..20i64, 4 => 0..10_000_000i64, 1 => Just(millrace_schemas::rules::AMOUNT_MAX)];
    (at, 0..3u8, 0..3usize, amount).prop_map(|(at, customer, currency, amount)| Transaction {
        occurred_at: at,
        customer_id: format!("customer-{customer}"),
        currency: ["EUR", "USD", "JPY"][currency].into(),
        amount,
        ..transaction()
    })
}

/// Times over some days; many meet exactly, or at exactly a window's length.
fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![(0..200i64).prop_map(|hours| NOON + hours * HOUR_MS), NOON..NOON + 200 * HOUR_MS]
}

/// Gaps between one and the next: mostly minutes to hours, sometimes so long that nothing is retained.
fn any_gap() -> impl Strategy<Value = i64> {
    prop_oneof![9 => 0..4 * HOUR_MS, 3 => (0..4i64).prop_map(|h| h * HOUR_MS), 1 => 0..80 * 24 * HOUR_MS]
}

fn in_order() -> impl Strategy<Value = Vec<Transaction>> {
    prop::collection::vec(any_transaction(any_gap()), 1..120).prop_map(|mut log| {
        let mut at = NOON;
        for each in &mut log {
            at += each.occurred_at;
            each.occurred_at = at;
        }
        log
    })
}

proptest! {
    #[test]
    fn windows_equal_the_oracle_in_order(log in in_order()) {
        let scores = assert_equals_the_oracle(&log)?;
        prop_assert!(scores.iter().all(|score| score.window_exact));
    }

    #[test]
    fn windows_equal_the_oracle_shuffled_within_the_lateness(
        log in in_order(),
        delays in prop::collection::vec(0..=LATENESS_MS, 120),
    ) {
        // What arrives by the order of "occurred plus a delay of at most 24 h" is at most 24 h behind anything before it.
        let mut arriving: Vec<_> = log.into_iter().zip(delays).collect();
        arriving.sort_by_key(|(each, delay)| each.occurred_at + delay);
        let log: Vec<Transaction> = arriving.into_iter().map(|(each, _)| each).collect();
        let scores = assert_equals_the_oracle(&log)?;
        prop_assert!(scores.iter().all(|score| score.window_exact));
    }

    #[test]
    fn windows_equal_the_oracle_in_any_order(log in prop::collection::vec(any_transaction(any_time()), 1..200)) {
        assert_equals_the_oracle(&log)?;
    }
}

#[test]
fn a_window_begins_after_its_length_and_ends_with_the_transaction() {
    let scores = score(&[after(0), after(3), after(3)]);
    let counts: Vec<i32> = scores.iter().map(|score| score.windows.customer_transaction_count_3h).collect();
    assert_eq!(counts, [1, 1, 2], "exactly 3 h earlier is outside; the same time is inside");
    assert_eq!(scores[2].windows.customer_transaction_count_6h, 3);
}

#[test]
fn a_transaction_is_late_only_when_more_than_a_day_behind() {
    let a_moment_later = Transaction { occurred_at: NOON - 1, ..after(0) };
    let scores = score(&[after(24), after(0), a_moment_later]);
    let exact: Vec<bool> = scores.iter().map(|score| score.window_exact).collect();
    assert_eq!(exact, [true, true, false]);
}

#[test]
fn what_is_older_than_retention_counts_itself_and_nobody_else() {
    let scores = score(&[after(48), after(0), after(0), after(1)]);
    let counts: Vec<i32> = scores.iter().map(|score| score.windows.customer_transaction_count_24h).collect();
    assert_eq!(counts, [1, 1, 1, 1], "at 48 h behind, nothing is kept");
}

#[test]
fn counts_span_currencies_and_means_do_not() {
    let dollars = Transaction { currency: "USD".into(), amount: 500_000, ..after(0) };
    let euros = Transaction { amount: 100_000, ..after(0) };
    let last = score(&[dollars, euros.clone(), Transaction { amount: 100_001, ..euros }]).remove(2);
    assert_eq!(last.windows.customer_transaction_count_24h, 3);
    assert_eq!(last.windows.customer_avg_amount_24h, 100_000, "100000.5 is rounded to even");
}

#[test]
fn windows_stay_exact_over_months_without_a_pause() {
    let hourly: Vec<Transaction> = (0..24 * 120).map(|hour| Transaction { amount: hour, ..after(hour) }).collect();
    for (hour, score) in (0..).zip(score(&hourly)).skip(24) {
        let windows = &score.windows;
        assert_eq!((windows.customer_transaction_count_3h, windows.customer_avg_amount_3h), (3, hour - 1));
        assert_eq!((windows.customer_transaction_count_24h, score.window_exact), (24, true));
    }
}
