//! Memory rebuilt from outputs.

use crate::common::{NOON, context, customers, receipt, score_from, transaction};
use millrace_processors::{Receipts, scoring::Customers};
use millrace_runtime::processor::{Memory, Processor};
use millrace_schemas::{
    event::{Transaction, TransactionScore},
    time::HOUR_MS,
};
use proptest::prelude::*;

fn restored(outputs: &[TransactionScore]) -> Customers {
    let mut memory = customers();
    outputs.iter().for_each(|output| memory.restore(output));
    memory
}

/// Transactions that touch all that is remembered: customers, currencies, more devices and places than are kept, any order.
fn any_log() -> impl Strategy<Value = Vec<Transaction>> {
    let any = (0..2u8, 0..150 * HOUR_MS, 0..3usize, 0..10_000_000i64, 0..60u8, 0..60u8);
    let any = any.prop_map(|(customer, after, currency, amount, device, place)| Transaction {
        customer_id: format!("customer-{customer}"),
        occurred_at: NOON + after,
        currency: ["EUR", "USD", "JPY"][currency].into(),
        amount,
        device_id: format!("device-{device}"),
        location: format!("place-{place}"),
        ..transaction()
    });
    prop::collection::vec(any, 1..250)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn memory_restored_from_outputs_is_the_memory_that_made_them(log in any_log(), at in any::<prop::sample::Index>()) {
        let mut memory = customers();
        let outputs = score_from(&mut memory, 0, &log);
        prop_assert!(restored(&outputs) == memory);

        let split = at.index(log.len());
        let mut second = restored(&outputs[..split]);
        let continued = score_from(&mut second, split as i64, &log[split..]);
        prop_assert_eq!(&continued[..], &outputs[split..]);
        prop_assert!(second == memory);
    }

    #[test]
    fn memory_that_was_saved_goes_on_as_it_would_have(log in any_log(), at in any::<prop::sample::Index>()) {
        let outputs = score_from(&mut customers(), 0, &log);
        let split = at.index(log.len());
        let mut loaded = customers();
        prop_assert!(loaded.load(&restored(&outputs[..split]).save().expect("saved")));
        prop_assert!(loaded == restored(&outputs[..split]));
        prop_assert_eq!(&score_from(&mut loaded, split as i64, &log[split..])[..], &outputs[split..]);
    }
}

#[test]
fn memory_that_was_cut_off_is_not_loaded() {
    let mut memory = customers();
    score_from(&mut memory, 0, &[transaction()]);
    let saved = memory.save().expect("saved");
    assert!(!customers().load(&saved[..saved.len() - 1]));
    assert!(!Receipts.memory().load(&saved));
}

#[test]
fn memories_of_different_pasts_differ() {
    let mut one = customers();
    let mut other = customers();
    score_from(&mut one, 0, &[transaction()]);
    score_from(&mut other, 0, &[Transaction { amount: 1, ..transaction() }]);
    assert!(one != other);
}

#[test]
fn receipts_need_no_memory() {
    let mut memory = Receipts.memory();
    let first = memory.process(receipt(), context(&receipt(), 0));
    let mut second = Receipts.memory();
    second.restore(&first);
    assert_eq!(second.process(receipt(), context(&receipt(), 0)), first);
}
