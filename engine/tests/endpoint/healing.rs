//! What holds after a kill: an answered insert is there, and sending the unanswered one again makes it count once.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Endpoint, rows};

/// Rows of one insert.
const BATCH: u64 = 1_000;

/// A table and a view's target. The rows of an insert fall into all partitions, so that it is many parts.
async fn with_rollup(endpoint: &Endpoint, partitions: u64) {
    for sql in [
        format!(
            "CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree PARTITION BY a % {partitions} ORDER BY a SETTINGS non_replicated_deduplication_window = 10000"
        ),
        "CREATE TABLE r (p UInt64, c UInt64) ENGINE = SummingMergeTree PARTITION BY p ORDER BY p SETTINGS non_replicated_deduplication_window = 10000".to_owned(),
        format!("CREATE MATERIALIZED VIEW v TO r AS SELECT a % {partitions} AS p, count() AS c FROM t GROUP BY p"),
    ] {
        endpoint.run(&sql).await;
    }
}

fn insert(batch: u64) -> (String, Vec<u8>) {
    (
        format!("/?query=INSERT+INTO+t+FORMAT+RowBinary&insert_deduplication_token=batch-{batch}"),
        rows(batch * BATCH..(batch + 1) * BATCH),
    )
}

async fn counts(endpoint: &Endpoint) -> String {
    endpoint.run("SELECT (SELECT count() FROM t), (SELECT uniqExact(a) FROM t), (SELECT sum(c) FROM r)").await
}

/// Directories of parts of every table but the engine's own, in order.
fn parts(data_dir: &Path) -> Vec<PathBuf> {
    let list = |path: &Path| fs::read_dir(path).into_iter().flatten().map(|e| e.unwrap().path()).collect::<Vec<_>>();
    let tables = list(&data_dir.join("db/store")).iter().flat_map(|outer| list(outer)).collect::<Vec<_>>();
    let tables = tables.iter().filter(|table| table.join("deduplication_logs").is_dir());
    let mut parts: Vec<PathBuf> =
        tables.flat_map(|table| list(table)).filter(|path| path.join("checksums.txt").is_file()).collect();
    parts.sort();
    parts
}

async fn healed(endpoint: &Endpoint) -> u64 {
    let metrics = endpoint.http.get(endpoint.at("/metrics")).send().await.unwrap().text().await.unwrap();
    let line =
        metrics.lines().find(|line| line.starts_with("millrace_engine_healed_records_total ")).unwrap().to_owned();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The engine notes a block in the deduplication log, then gives its part a name; here the kill comes between.
/// `clean` says that the last stop was clean although it was not: what would happen without healing.
async fn killed_between_log_and_part(clean: bool) -> String {
    let temp = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start_in(temp.path(), &[]).await;
    with_rollup(&endpoint, 20).await;
    endpoint.run("SYSTEM STOP MERGES").await;
    let (path, body) = insert(0);
    endpoint.run_at(&path, body.clone()).await;
    endpoint.kill().await;
    // A third of the parts, of both tables, never got their names.
    let removed: Vec<PathBuf> = parts(temp.path()).into_iter().step_by(3).collect();
    assert!(removed.len() > 10);
    removed.iter().for_each(|part| fs::remove_dir_all(part).unwrap());
    if clean {
        fs::write(temp.path().join("clean"), "").unwrap();
    }
    let endpoint = Endpoint::start_in(temp.path(), &[]).await;
    assert_eq!(healed(&endpoint).await, if clean { 0 } else { removed.len() as u64 });
    endpoint.run_at(&path, body).await;
    counts(&endpoint).await
}

#[tokio::test]
async fn a_block_that_was_noted_but_never_written_is_written_when_sent_again() {
    assert_eq!(killed_between_log_and_part(false).await, "1000\t1000\t1000");
}

#[tokio::test]
async fn without_healing_such_a_block_would_be_lost() {
    assert_ne!(killed_between_log_and_part(true).await, "1000\t1000\t1000");
}

#[tokio::test]
async fn merged_parts_still_deduplicate_after_a_kill() {
    let temp = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start_in(temp.path(), &[]).await;
    with_rollup(&endpoint, 4).await;
    for batch in 0..3 {
        let (path, body) = insert(batch);
        endpoint.run_at(&path, body).await;
    }
    endpoint.run("OPTIMIZE TABLE t FINAL").await;
    endpoint.run("OPTIMIZE TABLE r FINAL").await;
    endpoint.kill().await;
    let endpoint = Endpoint::start_in(temp.path(), &[]).await;
    assert_eq!(healed(&endpoint).await, 0);
    for batch in 0..3 {
        let (path, body) = insert(batch);
        endpoint.run_at(&path, body).await;
    }
    assert_eq!(counts(&endpoint).await, "3000\t3000\t3000");
}

/// Kills at many moments of an insert. Every insert that was answered must be there, and the one that was not is sent
/// again with its token: nothing is missing and nothing is double, in the table and in the view's target.
#[tokio::test]
async fn inserts_count_once_however_often_the_process_is_killed() {
    let temp = tempfile::tempdir().unwrap();
    let (mut next, mut healed_records, mut unanswered) = (0, 0, 0);
    // Without waiting for the disk there are more inserts, so more moments to be killed in.
    for round in 0..12_u64 {
        let endpoint = Endpoint::start_in(temp.path(), &["--no-fsync"]).await;
        healed_records += healed(&endpoint).await;
        if round == 0 {
            with_rollup(&endpoint, 4).await;
        }
        let (url, http) = (endpoint.url.clone(), endpoint.http.clone());
        // Spread over the time an insert takes.
        let kill = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(60 + round * 25)).await;
            endpoint.kill().await;
        });
        loop {
            let (path, body) = insert(next);
            match http.post(format!("{url}{path}")).body(body).send().await {
                Ok(response) => assert_eq!(response.status(), 200),
                // No answer: the same batch goes again after the restart.
                Err(_) => break,
            }
            next += 1;
        }
        unanswered += 1;
        kill.await.unwrap();
    }
    let endpoint = Endpoint::start_in(temp.path(), &[]).await;
    healed_records += healed(&endpoint).await;
    let (path, body) = insert(next);
    endpoint.run_at(&path, body).await;
    let rows = (next + 1) * BATCH;
    println!("{unanswered} kills, {} inserts, {healed_records} records healed", next + 1);
    assert_eq!(counts(&endpoint).await, format!("{rows}\t{rows}\t{rows}"));
}
