//! The harness notices: with one thing switched off that exactly-once stands on, the schedule that needs it is no longer survived.
//!
//! `MILLRACE_SABOTAGE` switches it off in the services, in builds with debug assertions only: see `millrace_runtime::sabotage`. The
//! same faults are in the schedule of `chaos.rs`, where nothing is switched off and nothing is found.

use millrace_tests::chaos::{
    Plan, Schedule, recovery,
    report::Report,
    run,
    schedule::{Direction, Fault, Step},
    stage::StageOptions,
};
use std::{path::Path, time::Duration};
use tokio::sync::Semaphore;

/// One process of each service: who is killed has nobody to stand in.
const ONE_OF_EACH: [&str; 4] = ["gateway-0", "scoring-0", "receipts-0", "projector-0"];
/// Items a second.
const RATE: u64 = 500;
/// Bytes of a request that has outputs in it; others of a processor are smaller.
const OUTPUTS: usize = 1_000;
/// How long a pipeline that will not get well is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Each has a broker, a registry and an engine of its own, of which two cores bear two.
static TWO_AT_A_TIME: Semaphore = Semaphore::const_new(2);

fn kill(at_ms: u64, victim: &str) -> Step {
    Step { at_ms, fault: Fault::Kill { victim: victim.to_owned(), down_ms: 0 } }
}

/// Inserts happen but their answers don't come, and then who waits for them is killed.
fn lost_answers_of_inserts() -> Vec<Step> {
    let stall = Fault::Stall { link: "clickhouse".to_owned(), direction: Direction::ToClient, for_ms: 3_500 };
    vec![Step { at_ms: 2_000, fault: stall }, kill(5_000, "projector-0")]
}

fn sabotage(what: &str) -> Vec<(String, String)> {
    vec![("MILLRACE_SABOTAGE".to_owned(), what.to_owned())]
}

async fn run_with(what: &str, members: &[&'static str], steps: Vec<Step>, length_ms: u64) -> Report {
    let schedule = Schedule { seed: 1, length_ms, steps };
    let stage = StageOptions {
        name: format!("without_{what}"),
        members: members.to_vec(),
        env: sabotage(what),
        ..StageOptions::default()
    };
    let keep_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/chaos");
    let plan = Plan { schedule, rate: RATE, events: u64::MAX, stage, patience: PATIENCE, keep_in };
    let report = run(plan).await;
    eprintln!("without {what}:\n{report}");
    report
}

fn assert_found(report: &Report, checks: &[&str]) {
    let failed = report.verdict.failed();
    assert!(checks.iter().any(|check| failed.contains(check)), "none of {checks:?} in {failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tokens_an_insert_whose_answer_was_lost_counts_twice() {
    let _turn = TWO_AT_A_TIME.acquire().await.expect("it is never closed");
    let report = run_with("token", &ONE_OF_EACH, lost_answers_of_inserts(), 9_000).await;
    let failed = report.verdict.failed();
    assert!(failed.iter().any(|check| check.ends_with("holds nothing twice")), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_intents_a_projector_cannot_go_on_after_a_lost_answer() {
    let _turn = TWO_AT_A_TIME.acquire().await.expect("it is never closed");
    let report = run_with("intent", &ONE_OF_EACH, lost_answers_of_inserts(), 9_000).await;
    assert_found(&report, &["every reader reaches the end of the log"]);
}

/// Outputs that a processor has sent are held back on their way until another has taken its place and decided the same inputs, and then
/// arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_transactions_what_a_zombie_sent_is_an_outcome_a_second_time() {
    let _turn = TWO_AT_A_TIME.acquire().await.expect("it is never closed");
    let members = ["gateway-0", "scoring-0", "scoring-1", "receipts-0", "receipts-1", "projector-0"];
    let hold = |link: &str| {
        let stall = Fault::StallFrom { link: link.to_owned(), bytes: OUTPUTS, for_ms: 24_000 };
        Step { at_ms: 3_000, fault: stall }
    };
    let steps = vec![hold("kafka-scoring-0"), hold("kafka-receipts-0")];
    let report = run_with("transaction", &members, steps, 30_000).await;
    assert_found(&report, &["no outcome is written twice"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_restores_a_processor_forgets_windows_and_ids() {
    let _turn = TWO_AT_A_TIME.acquire().await.expect("it is never closed");
    let kills = vec![kill(4_000, "scoring-0"), kill(4_500, "receipts-0")];
    let report = run_with("restore", &ONE_OF_EACH, kills, 10_000).await;
    assert_found(&report, &["the outcome is the one that the rules give"]);
    assert_found(&report, &["a derived record holds its input, and what is computed from it"]);
}

/// A process that starts again under another name is a stranger, for whom the group has no partitions before it has given up the
/// one that was killed. Times are compared, so nothing else runs beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_fencing_a_restart_in_a_slot_waits_for_the_group_to_forget_who_was_there() {
    let _turn = TWO_AT_A_TIME.acquire_many(2).await.expect("it is never closed");
    let limit = Duration::from_secs(30);
    let usual = recovery::of_one("scoring-0", vec![], limit).await;
    let stranger = recovery::of_one("scoring-0", sabotage("fencing"), limit).await;
    eprintln!("back after {usual:.1?} in its slot, after {stranger:.1?} as a stranger");
    assert!(stranger > Duration::from_secs(8) && usual < stranger, "{usual:?}, {stranger:?}");
}
