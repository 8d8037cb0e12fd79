//! How fast the services get through a log that is there already: deciding, taking memory back, filling ClickHouse, filling it anew.

use crate::{Deployment, Service, Services, wait::until};
use millrace_local::Sandbox;
use millrace_runtime::{Headers, producer::EventProducer};
use millrace_schemas::{
    Event, Topic,
    event::{Receipt, Transaction},
};
use serde_json::Value as Json;
use std::{
    fmt,
    ops::Range,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::task::{JoinSet, block_in_place};

/// Events that wait for their acknowledgement at a time.
const IN_FLIGHT: usize = 2_000;
/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// Owners of the events, of each kind.
const OWNERS: usize = 5_000;
/// An owner's events are this far apart by their own times, milliseconds.
const APART_MS: i64 = 20 * 60_000;
const PARTITIONS: usize = 3;
/// Events between the first snapshots and the second.
const MORE: usize = 3_000;

/// One step: what was done, how much of it, in how long.
struct Step {
    what: &'static str,
    count: u64,
    unit: &'static str,
    took: Duration,
}

/// What was measured.
pub struct Rates {
    steps: Vec<Step>,
}

/// Measures with a log of so many events, two transactions to one receipt.
pub async fn measure(events: usize) -> Rates {
    let sandbox = block_in_place(Sandbox::start).expect("a sandbox");
    let deployment = Deployment::within(&sandbox, "rates").await;
    eprintln!("rates: appending {events} events");
    append(&deployment, 0..events).await;
    let snapshots = sandbox.folder().join("snapshots");
    let set = format!("processor.snapshot_folder={}", snapshots.display());
    let services = Services::of(&deployment, &["log.format=json", &set, "processor.snapshot_every_ms=5000"]);
    let mut rates = Rates { steps: Vec::new() };

    let (transactions, receipts) = (events - events / 3, events / 3);
    rates
        .timed(
            "scored",
            transactions,
            "events",
            || services.start(&[Service::Scoring]),
            at_end(&deployment, "scoring", Topic::Transactions),
        )
        .await;
    rates
        .timed(
            "split",
            receipts,
            "events",
            || services.start(&[Service::Receipts]),
            at_end(&deployment, "receipts", Topic::Receipts),
        )
        .await;
    // What the first snapshot of a partition saves is the reading of nothing; the second goes on behind what the first holds.
    let first = snapshots_newer_than(&snapshots, SystemTime::UNIX_EPOCH).await;
    append(&deployment, events..events + MORE).await;
    snapshots_newer_than(&snapshots, first).await;
    let events = events + MORE;

    let restart = |what: &'static str| (what, services.log(Service::Scoring).len());
    let (what, from) = restart("taken back, with snapshots");
    rates.restored(&services, what, from).await;
    std::fs::remove_dir_all(&snapshots).expect("snapshots may be deleted at any time");
    let (what, from) = restart("taken back, from all outputs");
    rates.restored(&services, what, from).await;

    let rows = "SELECT (SELECT count() FROM transaction_scores) + (SELECT count() FROM receipts)";
    let filled = async {
        until("the tables", PATIENCE, || deployment.value(rows), |rows| *rows == events.to_string()).await;
    };
    rates
        .timed(
            "filled into ClickHouse by the projector",
            events,
            "events",
            || services.start(&[Service::Projector]),
            filled,
        )
        .await;
    let output = block_in_place(|| services.command(&["rebuild", "clickhouse", "--json"]).output()).expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Json = serde_json::from_slice(&output.stdout).expect("a report");
    let number = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name}: {report}"));
    let (fill, all) = (number("fill_seconds"), number("seconds"));
    rates.add("filled anew by a rebuild", number("events") as u64, "events", Duration::from_secs_f64(fill));
    rates.add("compared and switched", number("rows") as u64, "rows", Duration::from_secs_f64(all - fill));
    rates
}

impl Rates {
    fn add(&mut self, what: &'static str, count: u64, unit: &'static str, took: Duration) {
        let step = Step { what, count, unit, took };
        eprintln!("rates: {step}");
        self.steps.push(step);
    }

    async fn timed(
        &mut self,
        what: &'static str,
        count: usize,
        unit: &'static str,
        begin: impl FnOnce(),
        end: impl Future<Output = ()>,
    ) {
        let began = Instant::now();
        begin();
        end.await;
        self.add(what, count as u64, unit, began.elapsed());
    }

    /// Kills and starts scoring, and waits until every partition's memory is back. `from` is where its log ended before.
    async fn restored(&mut self, services: &Services, what: &'static str, from: usize) {
        services.kill(Service::Scoring);
        services.start_again(Service::Scoring);
        let rebuilt = || async { rebuilt(&services.log(Service::Scoring)[from..]) };
        let partitions = until("memory", PATIENCE, rebuilt, |partitions| partitions.len() == PARTITIONS).await;
        let outputs = partitions.iter().map(|(outputs, _)| outputs).sum();
        let took_ms = partitions.iter().map(|(_, took_ms)| *took_ms).max().unwrap_or_default();
        self.add(what, outputs, "outputs", Duration::from_millis(took_ms));
    }
}

/// Outputs of each partition whose memory a log says was rebuilt, and milliseconds that it took.
fn rebuilt(log: &str) -> Vec<(u64, u64)> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let rebuilt = lines.filter(|line| line["message"] == "memory rebuilt");
    rebuilt.filter_map(|line| Some((line["outputs"].as_u64()?, line["took_ms"].as_u64()?))).collect()
}

/// Waits until there is a snapshot of every partition that is newer than a time; when the newest of them was written.
async fn snapshots_newer_than(folder: &Path, than: SystemTime) -> SystemTime {
    let written = || async {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let times = files.filter_map(|file| file.metadata().and_then(|it| it.modified()).ok());
        times.filter(|at| *at > than).collect::<Vec<_>>()
    };
    let times = until("snapshots", PATIENCE, written, |times| times.len() >= 2 * PARTITIONS).await;
    times.into_iter().max().expect("there are some")
}

async fn at_end(deployment: &Deployment, group: &str, topic: Topic) {
    let lag = || async { deployment.log.lag(group, &[topic]).await.ok().map(|lag| lag.total()) };
    until("the end of the journal", PATIENCE, lag, |lag| *lag == Some(0)).await;
}

/// Appends events straight to the journals.
async fn append(deployment: &Deployment, numbers: Range<usize>) {
    let producer = Arc::new(EventProducer::connect(&deployment.log, "rates").await.expect("schemas"));
    let (transaction, receipt): (Transaction, Receipt) = (
        example(include_str!("../../schemas/avro/transactions/v1.example.json")),
        example(include_str!("../../schemas/avro/receipts/v1.example.json")),
    );
    let mut pending = JoinSet::new();
    for number in numbers {
        if pending.len() >= IN_FLIGHT {
            pending.join_next().await.expect("some").expect("acknowledged");
        }
        let (owner, of_owner) = (number / 3 % OWNERS, (number / 3 / OWNERS) as i64);
        let producer = Arc::clone(&producer);
        if number % 3 == 2 {
            let mut event = receipt.clone();
            event.place_id = format!("place-{owner}");
            event.transaction_id = number.to_string();
            event.occurred_at += of_owner * APART_MS;
            pending.spawn(async move { send(&producer, &event).await });
        } else {
            let mut event = transaction.clone();
            event.customer_id = format!("customer-{owner}");
            event.transaction_id = number.to_string();
            event.occurred_at += of_owner * APART_MS;
            pending.spawn(async move { send(&producer, &event).await });
        }
    }
    pending.join_all().await;
}

async fn send(producer: &EventProducer, event: &impl Event) {
    producer.append(event, Headers::new()).await.expect("acknowledged");
}

fn example<E: serde::de::DeserializeOwned>(text: &str) -> E {
    serde_json::from_str::<Vec<E>>(text).expect("examples").remove(0)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let Self { what, count, unit, .. } = self;
        write!(f, "{what:<40} {count:>9} {unit:<8} {seconds:>8.1} s {:>9.0}/s", *count as f64 / seconds)
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}
