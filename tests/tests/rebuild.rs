//! Rebuilding the ClickHouse projection while events flow: the new set equals the log, readers never see half, and whatever is killed,
//! the old set stays live.

use millrace_local::{Part, Sandbox};
use millrace_tests::{
    Deployment, Service, Services,
    load::{Load, LoadPlan, books::Books},
    oracle,
    wait::until,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value as Json;
use std::{
    path::PathBuf,
    process::{Child, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::task::{JoinHandle, block_in_place};

/// Items a second.
const RATE: u64 = 300;
/// How long anything may take; far more than on an idle machine.
const SOON: Duration = Duration::from_secs(120);

/// What readers ask: rows of a table, and the same events in two rollups.
const QUESTIONS: [&str; 3] = [
    "SELECT count() FROM transaction_scores",
    "SELECT sum(transactions) FROM transaction_stats_1m",
    "SELECT sum(purchases + returns + zeros) FROM place_stats_15m",
];

struct Pipeline {
    deployment: Arc<Deployment>,
    services: Services,
}

impl Pipeline {
    fn start(deployment: Deployment) -> Self {
        let services = Services::of(&deployment, &[]);
        services.start(&Service::ALL);
        Self { deployment: Arc::new(deployment), services }
    }

    fn begin(&self, words: &[&str]) -> Child {
        let mut command = self.services.command(&[&["rebuild", "clickhouse"], words].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    fn run(&self, words: &[&str]) -> Output {
        let output = block_in_place(|| self.begin(words).wait_with_output()).expect("it ends");
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// A command that must succeed; its report.
    fn succeed(&self, words: &[&str]) -> Json {
        let output = self.run(&[words, &["--json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {text}");
        serde_json::from_str(&text).expect("a report")
    }

    async fn live(&self) -> String {
        self.deployment.value("SELECT argMax(live, revision) FROM projection_switches").await
    }

    /// Everything acknowledged before now is queryable.
    async fn wait_queryable(&self, load: &Load) {
        let acknowledged = load.acknowledged();
        self.wait_for_rows(|rows| rows >= acknowledged).await;
    }

    async fn wait_for_rows(&self, enough: impl Fn(u64) -> bool) {
        let sql = "SELECT (SELECT count() FROM transaction_scores) + (SELECT count() FROM receipts)";
        let rows = || async { self.deployment.value(sql).await.parse::<u64>().expect("a number") };
        until("rows of what was acknowledged", SOON, rows, |rows| enough(*rows)).await;
    }

    /// Begins to send new items, of which each that is acknowledged is a row in the end.
    fn load(&self) -> Load {
        let plan =
            LoadPlan { gateways: vec![self.services.url(Service::Gateway)], rate: RATE, seed: 1, only_new: true };
        Load::start(&plan, &Books::open(&self.books()).expect("the folder can be written to"))
    }

    fn books(&self) -> PathBuf {
        self.services.folder().join("books.tsv")
    }

    /// The tables and rollups are what the clients' books and the log say.
    async fn assert_whole(&self, acknowledged: u64) {
        self.wait_for_rows(|rows| rows >= acknowledged).await;
        let verdict = block_in_place(|| oracle::pipeline(&self.deployment, &[&self.books()]));
        assert!(verdict.is_clean(), "{:?}: {verdict:#?}", verdict.failed());
    }
}

/// A reader's pause between its questions.
const ASKS_EVERY: Duration = Duration::from_millis(50);

/// Asks again and again; panics when a figure goes back or is not to be had.
struct Reader {
    stop: Arc<AtomicBool>,
    task: JoinHandle<u64>,
}

impl Reader {
    fn start(deployment: &Arc<Deployment>) -> Self {
        let (stop, deployment) = (Arc::<AtomicBool>::default(), Arc::clone(deployment));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let (mut highest, mut asked) = ([0u64; QUESTIONS.len()], 0);
            while !stopped.load(Ordering::Relaxed) {
                for (question, highest) in QUESTIONS.iter().zip(&mut highest) {
                    let figure = deployment.value(question).await.parse().expect("a number");
                    assert!(figure >= *highest, "{question}: {figure} after {highest}");
                    *highest = figure;
                    asked += 1;
                }
                tokio::time::sleep(ASKS_EVERY).await;
            }
            asked
        });
        Self { stop, task }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("no figure ever went back")
    }
}

fn differences(report: &Json, list: &str, what: &str) -> usize {
    report[list].as_array().expect("a list").iter().map(|it| it[what].as_array().expect("differences").len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_the_new_set_equals_the_log_and_one_can_go_back() {
    let pipeline = Pipeline::start(Deployment::new("rebuild").await);
    let load = pipeline.load();
    until("load", SOON, || async { load.acknowledged() }, |count| *count >= 1_500).await;
    pipeline.wait_queryable(&load).await;

    let reader = Reader::start(&pipeline.deployment);
    let report = pipeline.succeed(&[]);
    assert_eq!((&report["from"], &report["to"], &report["switched"]), (&"v1".into(), &"v2".into(), &true.into()));
    assert_eq!(
        (differences(&report, "tables", "differences"), differences(&report, "rollups", "differing_days")),
        (0, 0),
        "{report}"
    );
    assert_eq!(pipeline.live().await, "2");
    eprintln!(
        "{} events in {} s, pause {} ms of which {} to stop",
        report["events"], report["seconds"], report["pause_ms"], report["stopping_ms"]
    );
    pipeline.wait_queryable(&load).await;
    let shown = "SELECT concat(toString(countIf(create_table_query LIKE '%_v1%')), ' of ', toString(countIf(create_table_query LIKE '%_v2%') > 0)) \
                 FROM system.tables WHERE database = currentDatabase() AND engine = 'View'";
    assert_eq!(pipeline.deployment.value(shown).await, "0 of 1", "every public name shows the new set");

    let report = pipeline.succeed(&["--rollback"]);
    assert_eq!((&report["to"], pipeline.live().await.as_str()), (&"v1".into(), "1"));
    pipeline.wait_queryable(&load).await;
    assert!(reader.stop().await > 50);
    let dropped = pipeline.succeed(&["--drop-old"]);
    assert_eq!(dropped["dropped"], serde_json::json!(["v2"]));
    assert_eq!(pipeline.succeed(&[])["to"], "v3", "no number is used twice");
    pipeline.assert_whole(load.stop().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollup_that_was_defined_wrongly_is_right_afterwards_and_sets_that_differ_are_told() {
    let pipeline = Pipeline::start(Deployment::new("rebuild_wrong").await);
    let deployment = &pipeline.deployment;
    let feed =
        "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = 'tax_tip_stats_15m_feed_v1'";
    let right = deployment.value(feed).await;
    let wrong = right.replace("countIf(r.tips_amount > 0)", "countIf(r.tips_amount >= 0)");
    assert_ne!(right, wrong);
    deployment.query("DROP VIEW tax_tip_stats_15m_feed_v1 SYNC").await;
    deployment
        .query(&format!("CREATE MATERIALIZED VIEW tax_tip_stats_15m_feed_v1 TO tax_tip_stats_15m_v1 AS {wrong}"))
        .await;
    let load = pipeline.load();
    until("load", SOON, || async { load.acknowledged() }, |count| *count >= 1_000).await;
    let acknowledged = load.stop().await;
    pipeline.wait_for_rows(|rows| rows >= acknowledged).await;
    let tipped = "SELECT (SELECT sum(tipped) FROM tax_tip_stats_15m) = (SELECT countIf(tips_amount > 0) FROM receipts)";
    assert_eq!(deployment.value(tipped).await, "0", "the figures are wrong before");

    let report = pipeline.succeed(&[]);
    let rollups = report["rollups"].as_array().expect("rollups");
    let of = |name: &str| rollups.iter().find(|it| it["rollup"] == name).expect("a rollup");
    let tips = of("tax_tip_stats_15m");
    assert_eq!((&tips["redefined"], tips["wrong_days"].as_array().map(Vec::len)), (&true.into(), Some(0)), "{report}");
    assert!(!tips["differing_days"].as_array().expect("days").is_empty(), "{report}");
    assert_eq!(of("place_stats_15m")["redefined"], false, "{report}");
    assert_eq!(deployment.value(tipped).await, "1");
    pipeline.assert_whole(acknowledged).await;

    // What would have been switched to without comparing: a set that lacks a row and one whose figures were changed. It lived through a
    // migration, too, and has a column that nothing fills any more.
    deployment
        .query(
            "ALTER TABLE place_stats_15m_v1 ADD COLUMN latest_name SimpleAggregateFunction(max, Tuple(Int64, String))",
        )
        .await;
    deployment.query("ALTER TABLE transactions_v1 DELETE WHERE _partition = 0 AND _offset = (SELECT min(_offset) FROM transactions_v1 WHERE _partition = 0) SETTINGS mutations_sync = 2").await;
    deployment
        .query(
            "INSERT INTO place_stats_15m_v1 SELECT * FROM place_stats_15m_v1 LIMIT 1 SETTINGS insert_deduplicate = 0",
        )
        .await;
    let output = pipeline.run(&["--rollback", "--json"]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!((output.status.code(), &report["switched"]), (Some(1), &false.into()), "{report}");
    let table =
        report["tables"].as_array().expect("tables").iter().find(|it| it["table"] == "transactions").expect("it");
    assert!(
        table["differences"][0].as_str().is_some_and(|text| text.contains("transaction-scores partition 0")),
        "{report}"
    );
    assert_eq!(differences(&report, "tables", "differences"), 1, "{report}");
    let places =
        report["rollups"].as_array().expect("rollups").iter().find(|it| it["rollup"] == "place_stats_15m").expect("it");
    assert_eq!(places["differing_days"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(pipeline.live().await, "2");
    pipeline.assert_whole(acknowledged).await;
    let accepted = pipeline.succeed(&["--rollback", "--accept-differences"]);
    assert_eq!((&accepted["switched"], pipeline.live().await.as_str()), (&true.into(), "1"));

    until(
        "the projector to fill the set",
        SOON,
        || {
            deployment.query(
                "SELECT count() AS writers FROM projection_writers WHERE state = 'writing' \
                 AND revision = (SELECT max(revision) FROM projection_switches)",
            )
        },
        |rows| rows[0]["writers"] == "1",
    )
    .await;

    // Nothing is left of it: the projector stops, one command makes everything anew.
    deployment.query(&format!("DROP DATABASE {} SYNC", deployment.clickhouse.database)).await;
    until(
        "the projector to stop",
        SOON,
        || async { pipeline.services.ended() },
        |ended| *ended == [Service::Projector],
    )
    .await;
    assert_eq!(pipeline.succeed(&[])["switched"], true);
    pipeline.services.start_again(Service::Projector);
    pipeline.assert_whole(acknowledged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_meanwhile_the_command_can_be_run_again() {
    let sandbox = block_in_place(Sandbox::start).expect("a sandbox");
    let pipeline = Pipeline::start(Deployment::within(&sandbox, "rebuild_kills").await);
    let load = pipeline.load();
    until("load", SOON, || async { load.acknowledged() }, |count| *count >= 1_000).await;
    let mut random = StdRng::seed_from_u64(7);
    for victim in ["the command", "the projector", "the engine", "the command"] {
        let mut command = pipeline.begin(&["--json"]);
        tokio::time::sleep(Duration::from_millis(random.random_range(100..4_000))).await;
        match victim {
            "the command" => command.kill().expect("it is killed"),
            "the projector" => {
                pipeline.services.kill(Service::Projector);
                pipeline.services.start_again(Service::Projector);
            }
            _ => block_in_place(|| {
                sandbox.kill(Part::ClickHouse).expect("it is killed");
                sandbox.restart(Part::ClickHouse).expect("it starts again");
            }),
        }
        let ended = block_in_place(|| command.wait_with_output()).expect("it ends");
        eprintln!(
            "{victim} was killed: the command ended with {:?}, {} is live",
            ended.status.code(),
            pipeline.live().await
        );
        // A pause that nobody ended ends by itself.
        pipeline.wait_queryable(&load).await;
        assert_eq!(pipeline.services.ended(), [], "nobody else ended");
    }
    let report = pipeline.succeed(&[]);
    assert_eq!(report["switched"], true);
    pipeline.wait_queryable(&load).await;
    pipeline.assert_whole(load.stop().await).await;
}
