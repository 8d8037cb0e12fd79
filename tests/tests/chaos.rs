//! Two minutes of every kind of fault under load, two processes of every service: nothing lost, nothing doubled.

use millrace_tests::chaos::{
    Plan, Schedule, run,
    schedule::{LINKS, MEMBERS, PARTS},
    stage::StageOptions,
};
use std::{collections::BTreeSet, path::Path, time::Duration};

const SHORT: &str = include_str!("../schedules/short.json");

fn short() -> Schedule {
    serde_json::from_str(SHORT).expect("a schedule")
}

#[test]
fn the_short_schedule_has_every_kind_of_fault_and_spares_nobody() {
    let schedule = short();
    let kinds: BTreeSet<&str> = schedule.steps.iter().map(|step| step.fault.kind()).collect();
    let all = ["kill", "restart", "freeze", "reset", "stall", "full_disk", "clock_jump"];
    assert_eq!(kinds, BTreeSet::from(all));
    let of = |kinds: &[&str]| -> BTreeSet<&str> {
        let steps = schedule.steps.iter().filter(|step| kinds.contains(&step.fault.kind()));
        steps.map(|step| step.fault.target()).collect()
    };
    assert_eq!(of(&["kill"]), MEMBERS.into_iter().chain(PARTS).collect());
    assert_eq!(of(&["reset", "stall"]), BTreeSet::from(LINKS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_minutes_of_every_kind_of_fault_lose_nothing_and_double_nothing() {
    let stage = StageOptions { name: "short".to_owned(), volumes: true, ..StageOptions::default() };
    let keep_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/chaos");
    let patience = Duration::from_secs(180);
    let report = run(Plan { schedule: short(), rate: 1_000, events: u64::MAX, stage, patience, keep_in }).await;
    eprintln!("{report}");
    assert!(report.verdict.is_clean(), "{:?}", report.verdict.failed());
    assert!(report.happened.kills() >= 12, "{:?}", report.happened);
    assert!(report.verdict.checks.len() >= 20, "{:?}", report.verdict.checks.keys());
    let count = |name: &str| report.verdict.counts.get(name).copied().unwrap_or(0);
    for name in ["transactions again", "transactions in conflict", "receipts again", "receipts in conflict"] {
        assert!(count(name) > 0, "{name}");
    }
    let told = count("clients that waited and were told the score");
    assert!(told > 200, "{:?}", report.verdict.counts);
    assert!(
        count("transactions in effect") > 10_000 && count("receipts in effect") > 3_000,
        "{:?}",
        report.verdict.counts
    );
}
