//! The sliding windows of every transaction equal the brute-force oracle's, whatever the order, through real Kafka, gateway and a
//! processor that is killed again and again.

use millrace_ingest::GatewayConfig;
use millrace_loadgen::{
    SendOptions, SendReport,
    item::Kind,
    send::{Stop, send_until},
};
use millrace_schemas::{
    Topic,
    event::{Transaction, TransactionScore},
};
use millrace_tests::{
    Deployment, Service, Services,
    deployment::SOON,
    made_up,
    oracle::{self, Disorder, Tally},
    outcomes::{assert_complete, events, outcomes},
    wait::until,
};
use std::{
    fs,
    path::{Path, PathBuf},
};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/sample/transactions-sparkov.ndjson");
/// The log comes in so many parts; while each but the last is decided, the processor is killed.
const PARTS: usize = 3;

/// The sample and made-up transactions, disordered, in a file.
fn disordered(disorder: Disorder, folder: &Path) -> PathBuf {
    let (plain, disordered) = (folder.join("plain.ndjson"), folder.join("disordered.ndjson"));
    let sample = fs::read_to_string(SAMPLE).expect("the sample");
    let made_up = made_up::transactions(1, 12, 9, 3_000).join("\n");
    fs::write(&plain, sample + &made_up + "\n").expect("the folder can be written to");
    disorder.apply(&plain, &disordered);
    disordered
}

/// Splits a file of lines into several, in order.
fn split(file: &Path, parts: usize) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).expect("the file");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let chunks = lines.chunks(lines.len().div_ceil(parts)).enumerate();
    let written = chunks.map(|(number, lines)| {
        let part = file.with_extension(format!("{number}.ndjson"));
        fs::write(&part, lines.concat()).expect("the folder can be written to");
        part
    });
    written.collect()
}

/// Sends a file in its order of each customer.
async fn send(base: &str, file: &Path) -> SendReport {
    let url = base.parse().expect("an address");
    // One transaction a request: of two with the same id in one request, the gateway would not append the second.
    let options = SendOptions {
        kind: Some(Kind::Transactions),
        ordered: true,
        batch: 1,
        parallel: 8,
        ..SendOptions::new(url, vec![file.to_owned()])
    };
    let report = send_until(options, Stop::default()).await.expect("the file can be sent");
    assert!(report.is_complete() && report.items.invalid == 0, "{report}");
    report
}

/// Journal records that are decided and committed.
async fn decided(deployment: &Deployment) -> i64 {
    let lag = deployment.log.lag("scoring", &[Topic::Transactions]).await.expect("lag");
    lag.partitions.iter().filter_map(|partition| partition.committed).sum()
}

/// Sends a disordered log, kills the processor while it decides, and compares every outcome with the oracle. Returns how many
/// transactions are late.
async fn late_of(disorder: Disorder) -> usize {
    let mut deployment = Deployment::new(&format!("windows_{}", disorder.order)).await;
    // A gateway that remembers no ids leaves every duplicate and conflict to the processor.
    let base = deployment.gateway(GatewayConfig { remembered_ids_max: 0, ..GatewayConfig::default() }).await;
    let services = Services::of(&deployment, &[]);
    services.start(&[Service::Scoring]);

    let file = disordered(disorder, services.folder());
    let mut sent = 0;
    for (number, part) in split(&file, PARTS).iter().enumerate() {
        let lines = fs::read_to_string(part).expect("the part").lines().count() as i64;
        let kill = async {
            if number + 1 < PARTS {
                let half = sent + lines / 2;
                until("half of a part to be decided", SOON, || decided(&deployment), |decided| *decided >= half).await;
                services.kill(Service::Scoring);
                services.start_again(Service::Scoring);
            }
        };
        let (report, ()) = tokio::join!(send(&base, part), kill);
        assert_eq!(report.items.accepted as i64, lines, "{report}");
        sent += lines;
    }
    until("everything to be decided", SOON, || decided(&deployment), |decided| *decided == sent).await;

    let journal = events::<Transaction>(&deployment).await;
    let outcomes = outcomes::<TransactionScore>(&deployment).await;
    assert_eq!(journal.len() as i64, sent);
    assert_complete(&journal, &outcomes);
    let expected = oracle::windows(&journal, services.folder());
    oracle::assert_equal(&oracle::of_log(&outcomes), &expected);
    deployment.stop().await;
    let Tally { scored, late, duplicates, conflicts } = oracle::tally(&expected);
    assert_eq!((scored, duplicates, conflicts), (3_519, 35, 20));
    late
}

fn disorder(order: &'static str) -> Disorder {
    Disorder { order, duplicates_percent: 1, conflicts: 20, seed: 7 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_equal_the_oracle_in_file_order_and_none_is_late() {
    assert_eq!(late_of(disorder("file")).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_equal_the_oracle_when_shuffled_within_the_lateness_and_none_is_late() {
    assert_eq!(late_of(disorder("within")).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_equal_the_oracle_when_fully_shuffled_and_exactly_its_late_ones_are_flagged() {
    assert!(late_of(disorder("full")).await > 1_000);
}
