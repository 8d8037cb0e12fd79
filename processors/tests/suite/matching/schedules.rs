//! Random schedules: any order, any limits, restarts anywhere, against brute force.

use super::{
    context, desk, input, item,
    oracle::{Expected, Oracle, said},
    tick,
};
use crate::common::NOON;
use millrace_processors::matching::{Desk, MatchingConfig};
use millrace_runtime::processor::Memory;
use millrace_schemas::event::{MatchInput, MatchInputKind, MatchItem, MatchOutcome, MatchStep};
use proptest::{
    prelude::*,
    test_runner::{TestError, TestRunner},
};
use std::collections::{BTreeMap, BTreeSet};

/// An input and how much later than the one before it came into the log, in milliseconds.
type Entry = (MatchInput, i64);

/// Few places, amounts, ids and times, so that everything meets everything.
fn entry() -> impl Strategy<Value = Entry> {
    let any = (0u8..10, 0u8..2, 1i64..4, 0i64..3, 0i64..9, any::<bool>(), proptest::option::of(0u8..4), -1i64..4);
    any.prop_map(|(kind, place, cents, tips, seconds, is_euro, id, later)| {
        let money = item(&format!("t{}", id.unwrap_or(9)), &format!("shop-{place}"), cents, seconds);
        let money = MatchItem { currency: if is_euro { "EUR" } else { "USD" }.into(), ..money };
        let input = match kind {
            0 => tick(),
            1 => input(MatchInputKind::Receipt, MatchItem { amount: -money.amount, ..money }),
            2..6 => {
                let payment_transaction_id = id.map(|id| format!("t{id}"));
                let receipt = MatchItem { tips_amount: tips * 100, payment_transaction_id, ..money };
                input(MatchInputKind::Receipt, receipt)
            }
            _ => input(MatchInputKind::Transaction, money),
        };
        (input, later * 1_000)
    })
}

fn log() -> impl Strategy<Value = Vec<Entry>> {
    proptest::collection::vec(entry(), 1..60)
}

fn limits() -> impl Strategy<Value = MatchingConfig> {
    (0i64..5, 1i64..40, 1usize..5, 0usize..6).prop_map(|(within, wait, per_place, more)| MatchingConfig {
        time_within_ms: within * 1_000,
        wait_ms: wait * 1_000,
        waiting_per_place_max: per_place,
        waiting_max: per_place + more,
        tick_ms: 1,
    })
}

fn times(log: &[Entry]) -> Vec<i64> {
    let later = |now: &mut i64, (_, later): &Entry| {
        *now += later;
        Some(*now)
    };
    log.iter().scan(NOON, later).collect()
}

/// How the memory comes to be at a restart.
#[derive(Debug, Clone, Copy)]
enum Restart {
    FromOutputs,
    FromSnapshot,
    /// What must not be: it forgets.
    Empty,
}

/// Everything decided, with restarts before these inputs.
fn decided(limits: &MatchingConfig, log: &[Entry], restarts: &BTreeSet<usize>, how: Restart) -> (Vec<MatchStep>, Desk) {
    let (mut memory, mut steps) = (desk(limits), Vec::<MatchStep>::new());
    for (index, ((input, _), time)) in log.iter().zip(times(log)).enumerate() {
        if restarts.contains(&index) {
            let saved = memory.save().expect("it can be saved");
            memory = desk(limits);
            match how {
                Restart::FromOutputs => steps.iter().for_each(|step| memory.restore(step)),
                Restart::FromSnapshot => assert!(memory.load(&saved)),
                Restart::Empty => {}
            }
        }
        steps.push(memory.process(input.clone(), context(index as i64, time)));
    }
    (steps, memory)
}

fn expected(oracle: Oracle, log: &[Entry]) -> Vec<Vec<Expected>> {
    let mut oracle = oracle;
    let inputs = (0..).zip(log).zip(times(log));
    inputs.map(|((offset, (input, _)), time)| oracle.step(input, offset, time)).collect()
}

fn check(
    limits: &MatchingConfig,
    log: &[Entry],
    restarts: &BTreeSet<usize>,
    how: Restart,
) -> Result<(), TestCaseError> {
    let (steps, _) = decided(limits, log, restarts, how);
    let wanted = expected(Oracle::within(*limits), log);
    for (index, (step, wanted)) in steps.iter().zip(&wanted).enumerate() {
        prop_assert_eq!(&said(step), wanted, "at {}", index);
    }
    Ok(())
}

fn any_case() -> impl Strategy<Value = (MatchingConfig, Vec<Entry>, BTreeSet<usize>)> {
    (limits(), log(), proptest::collection::btree_set(0usize..60, 0..4))
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn what_is_decided_is_what_brute_force_decides_whatever_restarts((limits, log, restarts) in any_case()) {
        check(&limits, &log, &restarts, Restart::FromOutputs)?;
        check(&limits, &log, &restarts, Restart::FromSnapshot)?;
    }

    #[test]
    fn memory_from_outputs_is_the_memory_that_made_them_and_bounded((limits, log, _) in any_case()) {
        let (steps, memory) = decided(&limits, &log, &BTreeSet::new(), Restart::Empty);
        let mut restored = desk(&limits);
        steps.iter().for_each(|step| restored.restore(step));
        prop_assert!(restored == memory, "{:#?}\n{:#?}", restored, memory);
        prop_assert!(memory.waiting() <= limits.waiting_max);
        let mut loaded = desk(&limits);
        prop_assert!(loaded.load(&memory.save().expect("saved")) && loaded == memory);
    }

    #[test]
    fn no_receipt_is_settled_twice_and_no_transaction_pays_twice((limits, log, restarts) in any_case()) {
        let (steps, _) = decided(&limits, &log, &restarts, Restart::FromOutputs);
        let mut taken = BTreeSet::new();
        for settled in steps.iter().flat_map(|step| &step.settled) {
            prop_assert!(taken.insert(settled.receipt_offset));
            prop_assert!(settled.transaction_offset.is_none_or(|offset| taken.insert(offset)));
            prop_assert_eq!(settled.outcome == MatchOutcome::Orphan, settled.transaction_offset.is_none());
        }
    }

    /// Where each receipt has one transaction that fits, the order in which they come makes no difference.
    #[test]
    fn order_makes_no_difference_where_there_is_one_answer(order in Just((0..24usize).collect::<Vec<_>>()).prop_shuffle()) {
        let pair = |n: usize| {
            let at = item(&format!("t{n}"), &format!("shop-{}", n % 3), 100 + n as i64, n as i64);
            let named = n.is_multiple_of(2).then(|| format!("t{n}"));
            let receipt = MatchItem { transaction_id: format!("r{n}"), payment_transaction_id: named, ..at.clone() };
            // Every fourth names a transaction over another amount.
            let amount = at.amount + i64::from(n.is_multiple_of(4)) * 100_000;
            [input(MatchInputKind::Receipt, receipt), input(MatchInputKind::Transaction, MatchItem { amount, ..at })]
        };
        let all: Vec<MatchInput> = (0..12).flat_map(pair).collect();
        let log: Vec<Entry> = order.iter().map(|index| (all[*index].clone(), 1_000)).collect();
        let (steps, memory) = decided(&MatchingConfig::default(), &log, &BTreeSet::from([7, 15]), Restart::FromOutputs);
        let mut outcomes = BTreeMap::new();
        for settled in steps.iter().flat_map(|step| &step.settled) {
            let by = settled.transaction.as_ref().map(|by| by.transaction_id.clone());
            outcomes.insert(settled.receipt.transaction_id.clone(), (settled.outcome, by));
        }
        prop_assert_eq!(memory.waiting(), 0);
        for n in 0..12 {
            let outcome = if n % 4 == 0 { MatchOutcome::Mismatch } else { MatchOutcome::Matched };
            prop_assert_eq!(&outcomes[&format!("r{n}")], &(outcome, Some(format!("t{n}"))));
        }
    }
}

#[test]
fn a_memory_that_forgets_is_noticed() {
    let mut runner = TestRunner::new(config(2_000));
    let result = runner.run(&any_case(), |(limits, log, restarts)| check(&limits, &log, &restarts, Restart::Empty));
    assert!(matches!(result, Err(TestError::Fail(..))), "{result:?}");
}

#[test]
fn another_tie_break_is_noticed() {
    let mut runner = TestRunner::new(config(2_000));
    let result = runner.run(&any_case(), |(limits, log, _)| {
        let mut other = Oracle::within(limits);
        other.takes_the_later = true;
        let (steps, _) = decided(&limits, &log, &BTreeSet::new(), Restart::Empty);
        prop_assert_eq!(steps.iter().map(said).collect::<Vec<_>>(), expected(other, &log));
        Ok(())
    });
    assert!(matches!(result, Err(TestError::Fail(..))), "{result:?}");
}
