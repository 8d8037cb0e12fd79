//! What `millrace up` ends with: the shipped sample sent once, and one screen of what it shows and what to open.

use crate::{commands::overview, config::Config};
use anyhow::{Context, Result, ensure};
use millrace_loadgen::{SendOptions, item::Kind, send};
use millrace_local::{Home, Ports};
use millrace_projections::clickhouse::ClickHouse;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Made once the sample is queryable, so that it is sent once.
const SENT: &str = "sample-sent";
/// How long the sample may take to be queryable.
const QUERYABLE_WITHIN: Duration = Duration::from_secs(120);

/// The files of the sample, in the order they are sent, and the tables they end up in.
const SAMPLE: &[(&str, &str, &str)] = &[
    (
        "transactions-sparkov.ndjson",
        "transaction_scores",
        include_str!("../../data/sample/transactions-sparkov.ndjson"),
    ),
    ("receipts-online-retail.ndjson", "receipts", include_str!("../../data/sample/receipts-online-retail.ndjson")),
    ("receipts-generated.ndjson", "receipts", include_str!("../../data/sample/receipts-generated.ndjson")),
];

/// Sends the sample unless it was sent before, waits until it can be queried, and prints the screen.
pub async fn show(home: &Home, ports: &Ports) -> Result<()> {
    let config: Config = millrace_runtime::config::load(Some(&home.service_config()), &[])?;
    let sent = home.folder().join(SENT);
    if !sent.exists() {
        send_sample(home, ports, &config).await?;
        fs::write(&sent, "").with_context(|| format!("writing {}", sent.display()))?;
    }
    println!("\n{}", overview::tables(&config).await?);
    print!("{}", what_to_open(ports));
    Ok(())
}

async fn send_sample(home: &Home, ports: &Ports, config: &Config) -> Result<()> {
    let folder = home.folder().join("sample");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let clickhouse = ClickHouse::new(&config.clickhouse)?;
    let mut expected = clickhouse.counts().await?;
    for (name, table, content) in SAMPLE {
        let file = folder.join(name);
        fs::write(&file, content).with_context(|| format!("writing {}", file.display()))?;
        let kind = if *table == "receipts" { Kind::Receipts } else { Kind::Transactions };
        let accepted = send_file(&file, kind, ports).await?;
        println!("  sample        sent   {accepted:>5} of {name}");
        *expected.entry((*table).to_owned()).or_default() += accepted;
    }
    let until = Instant::now() + QUERYABLE_WITHIN;
    while clickhouse.counts().await?.iter().any(|(table, rows)| *rows < expected.get(table).copied().unwrap_or(0)) {
        ensure!(
            Instant::now() < until,
            "the sample is not in ClickHouse after {} s; `millrace status` and `millrace logs projector` tell more",
            QUERYABLE_WITHIN.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("  sample        queryable");
    Ok(())
}

/// How many items of a file were new.
async fn send_file(file: &Path, kind: Kind, ports: &Ports) -> Result<u64> {
    let url = format!("http://{}", ports.address("gateway")).parse()?;
    let options = SendOptions {
        kind: Some(kind),
        quiet: true,
        ordered: true,
        ..SendOptions::new(url, vec![PathBuf::from(file)])
    };
    let report = send(options).await?;
    let settled = report.items.accepted + report.items.duplicate;
    ensure!(settled == report.items.read, "the sample was not taken whole: {report}");
    Ok(report.items.accepted)
}

/// Addresses, and two commands that can be pasted.
fn what_to_open(ports: &Ports) -> String {
    let (gateway, clickhouse) = (ports.address("gateway"), ports.address("clickhouse"));
    format!(
        r#"Open
  reports           http://{gateway}/reports, in a browser: the figures of the sample
  post events       http://{gateway}/api/v1/transactions and /api/v1/receipts (JSON, NDJSON, XML)
  query             http://{clickhouse}, ClickHouse's HTTP interface: database millrace, user default, no password
  topics            {kafka} with the registry http://{registry}/apis/ccompat/v7: AKHQ, Kafdrop, any Confluent client
  metrics           http://{gateway}/metrics
  from a terminal   millrace watch transaction-scores, millrace trace ID, millrace status, make logs, make down

Try
  curl -s http://{gateway}/api/v1/transactions -H 'Content-Type: application/json' -d '{{"customer_id": "4", "transaction_id": "try-1", "amount": 950.00, "currency": "USD", "type": 55, "merchant_id": "merchant-1", "card_bin": "411111", "ip_address": "203.0.113.7", "device_id": "a-new-device", "location": "Riga", "channel": "online", "timestamp": "2026-01-01T12:00:00Z"}}'
  curl -s 'http://{clickhouse}/?database=millrace' -d 'SELECT customer_id, scoring, decision, reasons.code FROM transaction_scores ORDER BY scoring DESC LIMIT 5 FORMAT PrettyCompactMonoBlock'
"#,
        kafka = ports.address("kafka"),
        registry = ports.address("registry"),
    )
}
