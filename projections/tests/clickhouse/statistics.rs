//! A customer's hours over HTTP against brute force over the events that were written.

use crate::{
    database::TestDatabase,
    events::{Generator, START, batch},
    requests::get,
};
use millrace_runtime::sink::Sink as _;
use millrace_schemas::{
    event::TransactionScore,
    money::format_money,
    time::{DAY_MS, HOUR_MS, format_instant},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the answer must be, word by word of the definition.
fn expected(scores: &[TransactionScore], customer: &str, at: Option<i64>) -> Json {
    let own = || scores.iter().filter(|score| score.transaction.customer_id == customer);
    let latest = own().map(|score| score.occurred_at).max().expect("a transaction");
    let end = at.unwrap_or(latest);
    let windows = [3, 6, 12, 24].map(|hours| {
        let after = end - hours * HOUR_MS;
        let mut amounts: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for score in own().filter(|score| after < score.occurred_at && score.occurred_at <= end) {
            amounts.entry(&score.transaction.currency).or_default().push(score.transaction.amount);
        }
        let currencies: Map<String, Json> = amounts
            .iter()
            .map(|(currency, amounts)| {
                let sum: i128 = amounts.iter().map(|amount| i128::from(*amount)).sum();
                let told = json!({"transactions": amounts.len(), "amount": money(sum), "mean_amount": money(mean(sum, amounts.len()))});
                ((*currency).to_owned(), told)
            })
            .collect();
        let transactions: usize = amounts.values().map(Vec::len).sum();
        json!({"hours": hours, "after": format_instant(after), "transactions": transactions, "currencies": currencies})
    });
    json!({
        "customer_id": customer, "at": format_instant(end), "at_from": if at.is_some() { "parameter" } else { "latest_transaction" },
        "latest_transaction_at": format_instant(latest), "windows": windows,
    })
}

fn money(value: i128) -> Json {
    serde_json::from_str(&format_money(value)).expect("a number")
}

/// The nearest integer; of two, the even one.
fn mean(sum: i128, count: usize) -> i128 {
    let count = count as i128;
    let below = sum / count;
    match (2 * (sum - below * count)).cmp(&count) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Greater => below + 1,
        std::cmp::Ordering::Equal => below + below % 2,
    }
}

#[tokio::test]
async fn a_customers_hours_are_what_brute_force_makes_of_the_events() {
    let database = TestDatabase::migrated().await;
    let (sink, mut random) = (database.sink(), StdRng::seed_from_u64(70));
    let mut scores = Generator::new(70).scores(600);
    for score in &mut scores {
        // Bursts, equal times and whole hours, so that many lie on the edges of windows.
        if random.random_bool(0.7) {
            score.occurred_at = START + random.random_range(0..72) * HOUR_MS;
            score.transaction.occurred_at = score.occurred_at;
        }
    }
    for (number, part) in scores.chunks(150).enumerate() {
        sink.write(&batch(number as i32, 0, part)).await.expect("batch");
    }
    let customers: BTreeSet<&str> = scores.iter().map(|score| score.transaction.customer_id.as_str()).collect();
    assert_eq!(customers.len(), 7);
    for customer in customers {
        let (status, told) = get(&database, &format!("/api/v1/customers/{customer}/statistics")).await;
        assert_eq!((status, told), (200, expected(&scores, customer, None)), "{customer}");
        for number in 0..25 {
            let hour = START + random.random_range(-2..110) * HOUR_MS;
            let at = hour + [0, 1, -1, 1_234_567][number % 4];
            let asked = format!("/api/v1/customers/{customer}/statistics?at={}", format_instant(at));
            let (status, told) = get(&database, &asked).await;
            assert_eq!((status, told), (200, expected(&scores, customer, Some(at))), "{asked}");
        }
    }
}

#[tokio::test]
async fn sums_are_exact_beyond_what_an_amount_can_be() {
    let database = TestDatabase::migrated().await;
    let mut generator = Generator::new(71);
    let mut scores = generator.scores(1_000);
    for score in &mut scores {
        score.transaction.customer_id = "rich".into();
        score.transaction.currency = "JPY".into();
        score.transaction.amount = millrace_schemas::rules::AMOUNT_MAX;
        score.occurred_at = START;
    }
    scores[0].transaction.amount -= 1;
    database.sink().write(&batch(0, 0, &scores)).await.expect("batch");
    let (_, told) = get(&database, "/api/v1/customers/rich/statistics").await;
    assert_eq!(told, expected(&scores, "rich", None));
    assert_eq!(told["windows"][0]["currencies"]["JPY"]["amount"].to_string(), "999999999999999.9999");
}

#[tokio::test]
async fn a_question_is_for_a_customer_there_is_and_an_instant_there_can_be() {
    let database = TestDatabase::migrated().await;
    let score = Generator::new(72).score();
    database.sink().write(&batch(0, 0, std::slice::from_ref(&score))).await.expect("batch");
    let customer = &score.transaction.customer_id;
    let far = format_instant(score.occurred_at + 400 * DAY_MS);
    for (asked, status, word) in [
        (format!("{customer}/statistics?at={far}"), 200, Json::Null),
        (format!("{customer}/statistics/"), 200, Json::Null),
        (format!("{customer}/statistics?at=2026-03-01T12:00:00%2B02:00"), 200, Json::Null),
        (format!("{customer}/statistics?at=1970-01-01T00:00:00Z"), 200, Json::Null),
        (format!("{customer}/statistics?at=2299-12-31T23:59:59Z"), 200, Json::Null),
        (format!("{customer}/statistics?at=2026-03-01T12:00:00+02:00"), 400, json!("bad_parameter")),
        (format!("{customer}/statistics?at=1969-12-31T23:59:59Z"), 400, json!("bad_parameter")),
        (format!("{customer}/statistics?at=yesterday"), 400, json!("bad_parameter")),
        (format!("{customer}/statistics?until=2026-03-01T12:00:00Z"), 400, json!("bad_parameter")),
        ("nobody/statistics".into(), 404, json!("unknown_customer")),
        (format!("nobody/statistics?at={far}"), 404, json!("unknown_customer")),
        ("%27%20OR%201=1/statistics".into(), 404, json!("unknown_customer")),
    ] {
        let (was, told) = get(&database, &format!("/api/v1/customers/{asked}")).await;
        assert_eq!((was, &told["code"]), (status, &word), "{asked}: {told}");
    }
    let (_, told) = get(&database, &format!("/api/v1/customers/{customer}/statistics?at={far}")).await;
    assert_eq!(
        told["windows"][3],
        json!({
            "hours": 24, "after": format_instant(score.occurred_at + 399 * DAY_MS), "transactions": 0, "currencies": {},
        })
    );
}
