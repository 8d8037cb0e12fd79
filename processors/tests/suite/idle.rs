//! What a customer that was idle for long has forgotten, and what not.

use crate::common::{after, customers, score_from, transaction};
use millrace_processors::scoring::IDLE_MS;
use millrace_runtime::processor::Memory;
use millrace_schemas::{
    event::{Transaction, TransactionScore},
    time::DAY_MS,
};

/// Ten transactions of a customer, an hour apart; the latest is at hour 9.
fn busy_hours() -> Vec<Transaction> {
    (0..10).map(after).collect()
}

/// Scores some hours, and then these after so long by the log's clock. Offsets stand for milliseconds: the tests' broker stamps one
/// each.
fn after_a_pause(pause_ms: i64, inputs: &[Transaction]) -> Vec<TransactionScore> {
    let mut memory = customers();
    score_from(&mut memory, 0, &busy_hours());
    score_from(&mut memory, 9 + pause_ms, inputs)
}

#[test]
fn an_idle_customer_forgets_its_last_hours_and_keeps_the_facts_of_its_life() {
    let [kept, forgotten] = [IDLE_MS, IDLE_MS + 1].map(|pause_ms| after_a_pause(pause_ms, &[after(10)]).remove(0));
    assert_eq!((kept.windows.customer_transaction_count_24h, kept.window_exact), (11, true));
    assert_eq!((forgotten.windows.customer_transaction_count_24h, forgotten.window_exact), (1, false));
    for name in ["customer_count", "customer_mean", "customer_deviation", "device_is_new", "hours_since_previous"] {
        assert_eq!(forgotten.features[name], kept.features[name], "{name}");
    }
    assert_eq!(forgotten.features["customer_count"], 10.0);
}

#[test]
fn a_window_that_does_not_reach_what_was_forgotten_is_exact() {
    let scores = after_a_pause(IDLE_MS + 1, &[after(33), after(10), after(32)]);
    let seen: Vec<(i32, bool)> =
        scores.iter().map(|score| (score.windows.customer_transaction_count_24h, score.window_exact)).collect();
    assert_eq!(seen, [(1, true), (1, false), (2, false)], "hour 9, the last forgotten, is 24 hours before 33");
}

#[test]
fn what_may_lie_between_a_transaction_and_an_older_one_is_not_passed_over() {
    let here = |hours| Transaction { latitude: Some(0.0), longitude: Some(0.0), ..after(hours) };
    let seen: Vec<Option<f64>> = after_a_pause(IDLE_MS + 1, &[here(5), here(6), here(12), here(11), here(13)])
        .iter()
        .map(|score| score.features.get("hours_since_previous"))
        .collect();
    assert_eq!(seen, [None, None, Some(3.0), None, Some(1.0)], "hour 9 is the last forgotten");
    let places = after_a_pause(IDLE_MS + 1, &[here(5), here(6), here(13)]);
    let km: Vec<bool> = places.iter().map(|score| score.features.get("km_from_previous").is_some()).collect();
    assert_eq!(km, [false, true, true], "none of what was forgotten had a place");
}

#[test]
fn memory_of_idle_customers_is_given_back_while_others_go_on() {
    let mut memory = customers();
    let first = score_from(&mut memory, 0, &busy_hours());
    let busy = memory.bytes("customer-1").expect("seen");
    let other = Transaction { customer_id: "customer-2".into(), ..transaction() };
    let mut outputs = first;
    outputs.extend(score_from(&mut memory, IDLE_MS, std::slice::from_ref(&other)));
    assert_eq!(memory.bytes("customer-1"), Some(busy));
    outputs.extend(score_from(&mut memory, IDLE_MS + DAY_MS, &[Transaction { transaction_id: "2".into(), ..other }]));
    let idle = memory.bytes("customer-1").expect("seen");
    assert!(idle.windows <= 64 && idle.visits <= 128, "{idle:?}");
    assert_eq!(idle.life, busy.life);

    let mut restored = customers();
    outputs.iter().for_each(|output| restored.restore(output));
    assert!(restored == memory);
    let mut loaded = customers();
    assert!(loaded.load(&memory.save().expect("saved")) && loaded == memory);
}
