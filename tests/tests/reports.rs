//! The report page in a real browser: `browser/reports.py` looks at it without data, with data, with bad input and without ClickHouse.

use millrace_loadgen::receipts::Receipts;
use millrace_tests::{Deployment, Service, Services, oracle, python, services::binary};
use serde_json::Value as Json;
use std::{fs, path::Path, process::Command};
use tokio::task::block_in_place;

/// Receipts over a few weeks, in nine currencies.
const RECEIPTS: usize = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_page_is_whole_in_a_browser() {
    let deployment = Deployment::new("reports").await;
    let services = Services::of(&deployment, &[]);
    services.start(&Service::ALL);
    let away = Services::of(&deployment, &["clickhouse.url=http://127.0.0.1:9"]);
    away.start(&[Service::Gateway]);
    let (base, away) = (services.url(Service::Gateway), away.url(Service::Gateway));
    look(&["empty", "--url", &base]);

    let receipts: Vec<String> = Receipts::new(6).take(RECEIPTS).map(|receipt| receipt.to_string()).collect();
    let file = services.folder().join("receipts.ndjson");
    fs::write(&file, receipts.join("\n")).expect("the folder can be written to");
    send(&base, "receipts", &file);
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/sample/transactions-sparkov.ndjson");
    let transactions = fs::read_to_string(sample).expect("the sample is there");
    // In the days of the receipts.
    let file = services.folder().join("transactions.ndjson");
    fs::write(&file, transactions.replace("\"2019-01-", "\"2025-09-")).expect("the folder can be written to");
    send(&base, "transactions", &file);
    oracle::queryable(&deployment).await;
    let done = look(&["data", "--url", &base, "--away", &away]);
    assert!(done["compared"].as_u64().is_some_and(|compared| compared > 1_000), "{done}");
}

fn send(base: &str, kind: &str, file: &Path) {
    let mut send = Command::new(binary());
    send.args(["loadgen", "send", "--quiet", "--json", "--kind", kind, "--gateway", base]).arg(file);
    let output = block_in_place(|| send.output()).expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the script says in the end.
fn look(arguments: &[&str]) -> Json {
    let output = block_in_place(|| python::run(python::script("browser/reports.py").args(arguments)));
    eprintln!("{output}");
    serde_json::from_str(output.lines().last().unwrap_or_default()).expect("JSON")
}
