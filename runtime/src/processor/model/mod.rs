//! The processor's chain under many thousands of schedules: a simulated log, real decisions, markers and restores, and an oracle
//! that is slow and obvious.

mod events;
mod oracle;
mod world;

use self::world::{Fault, Step, World};
use crate::sabotage::Sabotage;
use proptest::{
    prelude::*,
    test_runner::{TestError, TestRunner},
};

/// Schedules of the suite; with those of sinks there are 300,000.
const SCHEDULES: u32 = 150_000;
/// Schedules among which one has to fail when something is switched off.
const SCHEDULES_SABOTAGED: u32 = 20_000;

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        6 => Just(Fault::None),
        1 => Just(Fault::Aborted),
        1 => Just(Fault::AcknowledgementLost),
        2 => (0usize..4).prop_map(Fault::Torn),
    ];
    prop_oneof![
        8 => (0u8..5, 0u8..2, 0i64..4, any::<bool>())
            .prop_map(|(id, content, pace, gap)| Step::Append { id, content, pace, gap }),
        6 => (1usize..5).prop_map(Step::Decide),
        5 => fault.prop_map(Step::Commit),
        2 => Just(Step::Snapshot),
        1 => Just(Step::Crash),
        2 => Just(Step::Replace),
        2 => Just(Step::ZombieCommits),
        1 => (0i64..8).prop_map(Step::SetOffsetBack),
    ]
}

fn schedule() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..40)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Runs a schedule, then lets everything come to rest, and compares. Gives the number of restores that began with a snapshot.
fn check(schedule: &[Step], without: Option<Sabotage>) -> Result<u32, String> {
    let mut world = World::new(without);
    for step in schedule {
        world.run(step)?;
    }
    world.come_to_rest()?;
    oracle::check(&world)?;
    Ok(world.from_snapshot.get())
}

#[test]
fn every_journal_offset_has_the_one_outcome_it_should_have_whatever_happens() {
    let mut runner = TestRunner::new(config(SCHEDULES));
    let from_snapshot = std::cell::Cell::new(0);
    let result = runner.run(&schedule(), |schedule| {
        let restores = check(&schedule, None).map_err(TestCaseError::fail)?;
        from_snapshot.set(from_snapshot.get() + restores);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(from_snapshot.get() > SCHEDULES / 100, "only {} restores began with a snapshot", from_snapshot.get());
}

fn assert_is_noticed_without(what: Sabotage) {
    let mut runner = TestRunner::new(config(SCHEDULES_SABOTAGED));
    let result =
        runner.run(&schedule(), |schedule| check(&schedule, Some(what)).map(|_| ()).map_err(TestCaseError::fail));
    assert!(matches!(result, Err(TestError::Fail(..))), "without {what:?} every schedule is right: {result:?}");
}

#[test]
fn without_the_transaction_a_schedule_fails() {
    assert_is_noticed_without(Sabotage::Transaction);
}

#[test]
fn without_fencing_a_schedule_fails() {
    assert_is_noticed_without(Sabotage::Fencing);
}

#[test]
fn without_the_restore_a_schedule_fails() {
    assert_is_noticed_without(Sabotage::Restore);
}
