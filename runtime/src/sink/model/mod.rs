//! A sink under many thousands of schedules: real batches, intents and writes, a simulated group of one or two processes and a simulated
//! store.

mod oracle;
mod store;
mod world;

use self::world::{Kind, Step, World};
use crate::sabotage::Sabotage;
use proptest::{
    prelude::*,
    test_runner::{TestError, TestRunner},
};

/// Schedules of the suite; with those of processors there are 300,000.
const SCHEDULES: u32 = 150_000;
/// Schedules among which one has to fail when something is switched off.
const SCHEDULES_SABOTAGED: u32 = 20_000;

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        8 => Just(Kind::New),
        2 => (1usize..5).prop_map(Kind::Copy),
        1 => Just(Kind::Poison),
        1 => Just(Kind::OfNoSource),
    ];
    let who = || 0usize..2;
    prop_oneof![
        8 => (who(), kind, any::<bool>()).prop_map(|(of, kind, gap)| Step::Append { of, kind, gap }),
        5 => (who(), 1usize..6).prop_map(|(who, count)| Step::Take { who, count }),
        5 => who().prop_map(|who| Step::Write { who, fails_at: None }),
        4 => (who(), 0u8..9).prop_map(|(who, call)| Step::Write { who, fails_at: Some(call) }),
        2 => (who(), any::<bool>()).prop_map(|(who, split)| Step::WriteStalls { who, split }),
        2 => Just(Step::ZombieGoesOn),
        1 => any::<bool>().prop_map(|split| Step::Rebalance { split }),
    ]
}

fn schedule() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..40)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Runs a schedule, then lets everything come to rest, and compares.
fn check(schedule: &[Step], without: Option<Sabotage>) -> Result<(), String> {
    let mut world = World::new(without);
    for step in schedule {
        world.run(step)?;
    }
    world.come_to_rest()?;
    oracle::check(&world)
}

#[test]
fn every_record_takes_effect_once_whatever_happens() {
    let mut runner = TestRunner::new(config(SCHEDULES));
    let result = runner.run(&schedule(), |schedule| check(&schedule, None).map_err(TestCaseError::fail));
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn assert_is_noticed_without(what: Sabotage) {
    let mut runner = TestRunner::new(config(SCHEDULES_SABOTAGED));
    let result = runner.run(&schedule(), |schedule| check(&schedule, Some(what)).map_err(TestCaseError::fail));
    assert!(matches!(result, Err(TestError::Fail(..))), "without {what:?} every schedule is right: {result:?}");
}

#[test]
fn without_the_token_a_schedule_fails() {
    assert_is_noticed_without(Sabotage::Token);
}

#[test]
fn without_the_intent_a_schedule_fails() {
    assert_is_noticed_without(Sabotage::Intent);
}

#[test]
fn without_fencing_a_schedule_fails() {
    assert_is_noticed_without(Sabotage::Fencing);
}
