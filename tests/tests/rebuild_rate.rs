//! How fast a projection is rebuilt. `EVENTS=2000000` sets how much there is to do.

#[path = "../../projections/tests/clickhouse/events.rs"]
#[allow(dead_code)]
mod events;

use millrace_runtime::{Headers, producer::EventProducer};
use millrace_tests::{Deployment, Service, Services, wait::until};
use serde_json::Value as Json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::{JoinSet, block_in_place};

/// Events that wait for their acknowledgement at a time.
const IN_FLIGHT: usize = 2_000;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(1_800);

#[ignore = "takes minutes"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_over_many_events_takes_little_time_for_each() {
    let count: usize = std::env::var("EVENTS").map_or(300_000, |count| count.parse().expect("EVENTS is a number"));
    let deployment = Deployment::new("rebuild_rate").await;
    let producer = Arc::new(EventProducer::connect(&deployment.log, "rate").await.expect("schemas"));
    let (mut generator, mut pending) = (events::Generator::new(80), JoinSet::new());
    for number in 0..count {
        if pending.len() >= IN_FLIGHT {
            pending.join_next().await.expect("some").expect("no panic");
        }
        let producer = Arc::clone(&producer);
        // Two transactions to one receipt.
        if number % 3 == 2 {
            let event = generator.purchase();
            pending.spawn(async move { producer.append(&event, Headers::new()).await.map(|_| ()).expect("appended") });
        } else {
            let event = generator.score();
            pending.spawn(async move { producer.append(&event, Headers::new()).await.map(|_| ()).expect("appended") });
        }
    }
    pending.join_all().await;

    let services = Services::of(&deployment, &[]);
    let began = Instant::now();
    services.start(&[Service::Projector]);
    let rows = "SELECT (SELECT count() FROM transaction_scores) + (SELECT count() FROM receipts)";
    until("the first set", PATIENCE, || deployment.value(rows), |rows| *rows == count.to_string()).await;
    let first = began.elapsed().as_secs_f64();

    let output = block_in_place(|| services.command(&["rebuild", "clickhouse", "--json"]).output()).expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Json = serde_json::from_slice(&output.stdout).expect("a report");
    let number = |name: &str| report[name].to_string().parse::<f64>().expect("a number");
    assert_eq!(number("events") as usize, count, "{report}");
    let (seconds, cpu, rows) = (number("fill_seconds"), number("fill_cpu_seconds"), number("rows"));
    println!(
        "{count} events, {rows} rows: {:.0} events/s filled, {:.0} rows for each second of the command's processor ({cpu:.1} s), {:.1} s \
         with comparing, pause {} ms; the projector's own first filling: {:.0} events/s",
        count as f64 / seconds,
        rows / cpu,
        number("seconds"),
        report["pause_ms"],
        count as f64 / first
    );
}
