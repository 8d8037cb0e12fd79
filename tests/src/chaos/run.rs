//! One run: a stage, load and faults upon it, quiet, and the oracle.

use super::{
    conductor::Conductor,
    report::Report,
    schedule::Schedule,
    stage::{Stage, StageOptions},
};
use crate::{
    load::{
        Load, LoadPlan,
        books::Books,
        direct::{Direct, DirectPlan},
    },
    oracle,
    wait::until,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{task::block_in_place, time::sleep};

/// One record in so many comes from the direct producer.
const DIRECT_SHARE: u64 = 20;
/// What is found when the pipeline does not get well.
const READY: &str = "every process is ready again";
const AT_REST: &str = "every reader reaches the end of the log";

/// What a run should be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What goes wrong, and when.
    pub schedule: Schedule,
    /// Items a second.
    pub rate: u64,
    /// The run ends when this many are acknowledged, even before its schedule does.
    pub events: u64,
    /// The stage; its name is that of the run.
    pub stage: StageOptions,
    /// How long processes may take to be ready after the last fault, and how long readers then to be at the end of the log.
    pub patience: Duration,
    /// Where a run that fails is kept, under a folder of its own.
    pub keep_in: PathBuf,
}

/// Carries out a run; what it came to, whether good or bad.
pub async fn run(plan: Plan) -> Report {
    let stage = Arc::new(Stage::set(plan.stage.clone()).await);
    let file = |name: &str| stage.folder().join(name);
    let (books_path, direct_path, schedule_path) = (file("books.tsv"), file("books-direct.tsv"), file("schedule.json"));
    let text = serde_json::to_string_pretty(&plan.schedule).expect("a schedule is JSON");
    fs::write(&schedule_path, text).expect("the sandbox's folder can be written to");

    let books = Books::open(&books_path).expect("the sandbox's folder can be written to");
    let load = LoadPlan { gateways: stage.gateways(), rate: plan.rate, seed: plan.schedule.seed, only_new: false };
    let load = Arc::new(Load::start(&load, &books));
    let direct = direct(&stage, &plan, &direct_path);
    come_through(&stage).await;
    let began = Instant::now();
    let conductor = Conductor::new(Arc::clone(&stage), Arc::clone(&load));
    let happened = conductor.perform(&plan.schedule, plan.events).await;
    drop(conductor);
    let (seconds, failed_requests) = (began.elapsed().as_secs_f64(), load.failed());

    let quiet = Instant::now();
    let not_ready = stage.heal(plan.patience).await;
    Arc::into_inner(load).expect("the conductor has let go of the load").stop().await;
    block_in_place(|| direct.stop()).expect("the direct producer ends well");
    let lag = rest(&stage, plan.patience).await;
    let caught_up_s = quiet.elapsed().as_secs_f64();

    let asked = Instant::now();
    let mut verdict = block_in_place(|| oracle::pipeline(&stage.deployment, &[&books_path, &direct_path]));
    verdict.check(READY, not_ready.iter().map(ToString::to_string));
    verdict
        .check(AT_REST, lag.iter().map(|lag| format!("{lag:?} offsets are left after {} s", plan.patience.as_secs())));
    let oracle_s = asked.elapsed().as_secs_f64();
    let (seed, answered) = (plan.schedule.seed, books.items());
    let report = Report { seed, seconds, answered, failed_requests, happened, caught_up_s, verdict, oracle_s };
    keep_if_failed(&stage, &report, &[books_path, direct_path, schedule_path], &plan.keep_in);
    report
}

/// Faults begin when the load has come all the way: before, they would befall nothing.
async fn come_through(stage: &Stage) {
    const WITHIN: Duration = Duration::from_secs(120);
    let sql = "SELECT (SELECT count() FROM transaction_scores) > 0 AND (SELECT count() FROM receipts) > 0";
    until("the load to come through", WITHIN, || stage.deployment.value(sql), |answer| answer == "1").await;
}

fn direct(stage: &Stage, plan: &Plan, books: &Path) -> Direct {
    let direct = DirectPlan {
        brokers: stage.link_address("kafka-direct"),
        registry: stage.deployment.registry.url.clone(),
        prefix: stage.deployment.kafka.topic_prefix.clone(),
        rate: (plan.rate / DIRECT_SHARE).max(1),
        seed: plan.schedule.seed,
    };
    Direct::start(&direct, books).expect("the direct producer starts")
}

/// Waits until every reader is at the end of the log. What the lag was last, when they are not in time.
async fn rest(stage: &Stage, within: Duration) -> Option<Option<i64>> {
    let began = Instant::now();
    loop {
        let lag = stage.lag().await;
        if lag == Some(0) {
            return None;
        }
        if began.elapsed() > within {
            return Some(lag);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// A run that found something is kept with its schedule, its books and everybody's logs.
fn keep_if_failed(stage: &Stage, report: &Report, files: &[PathBuf], keep_in: &Path) {
    if report.verdict.is_clean() {
        return;
    }
    let folder = keep_in.join(format!("{}-{}", stage.deployment.clickhouse.database, report.seed));
    let kept = stage.keep(files, &folder).and_then(|()| {
        let text = serde_json::to_string_pretty(report).expect("a report is JSON");
        fs::write(folder.join("report.json"), text)
    });
    match kept {
        Ok(()) => eprintln!(
            "chaos: kept in {}; run it again with --schedule {}",
            folder.display(),
            folder.join("schedule.json").display()
        ),
        Err(error) => eprintln!("chaos: {} could not be kept: {error}", folder.display()),
    }
}
