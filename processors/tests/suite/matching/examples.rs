//! One rule each.

use super::{context, desk, item, receipt, steps, tick, transaction};
use crate::common::NOON;
use millrace_processors::matching::{MatchingConfig, SETTLED_MAX, relays::matches_of};
use millrace_runtime::processor::Memory;
use millrace_schemas::event::{
    MatchInput, MatchItem,
    MatchOutcome::{Matched, Mismatch, Orphan},
    MatchReason::{Attributes, NoRoom, PaymentId, WaitOver},
    Settled,
};

fn settled(inputs: Vec<MatchInput>) -> Vec<Settled> {
    steps(&MatchingConfig::default(), inputs).into_iter().flat_map(|step| step.settled).collect()
}

/// Which transaction paid which receipt.
fn pairs(inputs: Vec<MatchInput>) -> Vec<(String, Option<String>)> {
    let pair = |it: Settled| (it.receipt.transaction_id, it.transaction.map(|by| by.transaction_id));
    settled(inputs).into_iter().map(pair).collect()
}

fn naming(id: &str, item: MatchItem) -> MatchItem {
    MatchItem { payment_transaction_id: Some(id.into()), ..item }
}

fn one(receipt: &str, transaction: &str) -> Vec<(String, Option<String>)> {
    vec![(receipt.to_owned(), Some(transaction.to_owned()))]
}

#[test]
fn a_receipt_is_paid_whichever_of_the_two_comes_first() {
    let (r, t) = (receipt(item("r", "shop", 1_099, 0)), transaction(item("t", "shop", 1_099, 30)));
    for inputs in [vec![r.clone(), t.clone()], vec![t, r]] {
        let all = settled(inputs);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].outcome, all[0].reason, all[0].time_distance_ms), (Matched, Attributes, Some(30_000)));
    }
}

#[test]
fn another_place_amount_or_currency_or_time_does_not_pay() {
    let r = || receipt(item("r", "shop", 1_099, 0));
    let t = item("t", "shop", 1_099, 0);
    for other in [
        MatchItem { place_id: "kiosk".into(), ..t.clone() },
        MatchItem { amount: t.amount + 1, ..t.clone() },
        MatchItem { currency: "USD".into(), ..t.clone() },
        MatchItem { occurred_at: NOON + MatchingConfig::default().time_within_ms + 1, ..t.clone() },
    ] {
        assert_eq!(settled(vec![r(), transaction(other.clone())]), [], "{other:?}");
        assert_eq!(settled(vec![transaction(other.clone()), r()]), [], "{other:?}");
    }
    let last = MatchItem { occurred_at: NOON + MatchingConfig::default().time_within_ms, ..t };
    assert_eq!(pairs(vec![r(), transaction(last)]), one("r", "t"));
}

#[test]
fn tips_are_paid_with_the_total_or_not_at_all() {
    let r = || receipt(MatchItem { tips_amount: 30_000, ..item("r", "shop", 1_000, 0) });
    for cents in [1_000, 1_300] {
        assert_eq!(pairs(vec![r(), transaction(item("t", "shop", cents, 0))]), one("r", "t"));
        assert_eq!(pairs(vec![transaction(item("t", "shop", cents, 0)), r()]), one("r", "t"));
    }
    assert_eq!(settled(vec![r(), transaction(item("t", "shop", 1_200, 0))]), []);
}

#[test]
fn the_nearest_in_time_pays_and_of_two_as_near_the_first_in_the_log() {
    let t = |id: &str, seconds| transaction(item(id, "shop", 1_000, seconds));
    let r = || receipt(item("r", "shop", 1_000, 0));
    assert_eq!(pairs(vec![t("far", 60), t("near", -20), t("other", 21), r()]), one("r", "near"));
    assert_eq!(pairs(vec![t("later", 20), t("earlier", -20), r()]), one("r", "later"));
    let twice = vec![t("a", 20), t("b", -20), r(), receipt(item("s", "shop", 1_000, 0))];
    assert_eq!(pairs(twice), [one("r", "a"), one("s", "b")].concat(), "one to one");
}

#[test]
fn a_transaction_that_is_named_pays_who_names_it() {
    let named = || receipt(naming("t", item("named", "shop", 1_000, 50)));
    let t = || transaction(item("t", "shop", 1_000, 0));
    let near = || receipt(item("near", "shop", 1_000, 0));
    assert_eq!(pairs(vec![near(), named(), t()]), one("named", "t"));
    assert_eq!(pairs(vec![t(), named(), near()]), one("named", "t"));
    let other = transaction(item("other", "shop", 1_000, 50));
    assert_eq!(settled(vec![named(), other]), [], "nobody else pays it");
}

#[test]
fn what_differs_from_the_transaction_it_names_is_told_with_both_figures() {
    let hours = MatchingConfig::default().time_within_ms / 1_000 + 1;
    let paid = MatchItem { currency: "USD".into(), ..item("t", "shop", 1_350, hours) };
    let r = MatchItem { tips_amount: 30_000, ..naming("t", item("r", "shop", 1_000, 0)) };
    let all = settled(vec![transaction(paid), receipt(r)]);
    assert_eq!((all[0].outcome, all[0].reason), (Mismatch, PaymentId));
    let told: Vec<_> =
        all[0].differences.iter().map(|it| (it.field.as_str(), it.receipt.as_str(), it.transaction.as_str())).collect();
    let times = ("2025-11-24T16:00:00.000Z", "2025-11-24T16:15:01.000Z");
    assert_eq!(told, [("amount", "13.00", "13.50"), ("currency", "EUR", "USD"), ("time", times.0, times.1)]);
}

#[test]
fn returns_and_receipts_over_nothing_wait_for_nobody() {
    let back = receipt(item("back", "shop", -1_000, 0));
    let free = receipt(item("free", "shop", 0, 0));
    let paid = transaction(item("t", "shop", 0, 0));
    let mut memory = desk(&MatchingConfig::default());
    for (offset, input) in (0..).zip([back, free, paid]) {
        assert_eq!(memory.process(input, context(offset, NOON)).settled, []);
    }
    assert_eq!(memory.waiting(), 1, "the transaction");
}

#[test]
fn a_receipt_is_an_orphan_when_its_wait_is_over_which_a_tick_can_end() {
    let limits = MatchingConfig { wait_ms: 10_000, ..MatchingConfig::default() };
    let mut memory = desk(&limits);
    memory.process(receipt(item("r", "shop", 1_000, 0)), context(0, NOON));
    assert_eq!(memory.process(tick(), context(1, NOON + 9_999)).settled, []);
    let step = memory.process(tick(), context(2, NOON + 10_000));
    assert_eq!((step.settled[0].outcome, step.settled[0].reason), (Orphan, WaitOver));
    let late = memory.process(transaction(item("t", "shop", 1_000, 0)), context(3, NOON + 10_001));
    assert_eq!(late.settled, [], "what was decided stays");
}

#[test]
fn a_clock_that_goes_back_gives_nobody_more_time() {
    let limits = MatchingConfig { wait_ms: 10_000, ..MatchingConfig::default() };
    let mut memory = desk(&limits);
    memory.process(tick(), context(0, NOON + 5_000));
    memory.process(receipt(item("r", "shop", 1_000, 0)), context(1, NOON));
    assert_eq!(memory.process(tick(), context(2, NOON + 14_999)).settled.len(), 0);
    assert_eq!(memory.process(tick(), context(3, NOON + 15_000)).settled.len(), 1);
}

#[test]
fn who_has_waited_longest_makes_room_and_a_receipt_is_told_so() {
    let limits = MatchingConfig { waiting_per_place_max: 2, waiting_max: 3, ..MatchingConfig::default() };
    let receipts = (0..4).map(|n| receipt(item(&format!("r{n}"), "shop", n, 0))).collect();
    let made: Vec<_> = steps(&limits, receipts).into_iter().flat_map(|step| step.settled).collect();
    assert_eq!((made.len(), made[0].reason, made[0].receipt_offset), (1, NoRoom, 1), "the first is over nothing");

    let all = (0..5).map(|n| transaction(item(&format!("t{n}"), &format!("shop-{n}"), 1, 0))).collect();
    let let_go: Vec<i32> = steps(&limits, all).iter().map(|step| step.let_go).collect();
    assert_eq!(let_go, [0, 0, 0, 1, 1]);
}

#[test]
fn one_input_settles_a_bounded_number_and_the_next_ones_the_rest() {
    let limits = MatchingConfig { wait_ms: 1_000, ..MatchingConfig::default() };
    let mut memory = desk(&limits);
    let many = SETTLED_MAX as i64 + 5;
    for offset in 0..many {
        memory.process(receipt(item(&format!("r{offset}"), "shop", 1, 0)), context(offset, NOON));
    }
    let first = memory.process(tick(), context(many, NOON + 1_000));
    let second = memory.process(tick(), context(many + 1, NOON + 1_000));
    assert_eq!((first.settled.len(), second.settled.len()), (SETTLED_MAX, 5));
    assert_eq!(memory.waiting(), 0);
}

#[test]
fn each_receipt_is_told_of_by_itself_with_an_id_of_its_own() {
    let limits = MatchingConfig { wait_ms: 1_000, ..MatchingConfig::default() };
    let inputs = ["r0", "r1"].map(|id| receipt(item(id, "shop", 1_000, 0)));
    let mut memory = desk(&limits);
    for (offset, input) in (0..).zip(inputs) {
        memory.process(input, context(offset, NOON));
    }
    let told = matches_of(memory.process(tick(), context(7, NOON + 2_000)));
    let places: Vec<_> = told.iter().map(|it| (it.source.offset, it.source.index, it.settled_at)).collect();
    assert_eq!(places, [(7, 0, NOON + 2_000), (7, 1, NOON + 2_000)]);
    assert_ne!(told[0].event_id, told[1].event_id);
    assert!(uuid_like(&told[0].event_id), "{}", told[0].event_id);
}

fn uuid_like(text: &str) -> bool {
    text.len() == 36 && text.chars().filter(|it| *it == '-').count() == 4
}
