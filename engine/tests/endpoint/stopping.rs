//! Stops: in order with everything kept, and within the time given.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Endpoint, failure};

#[tokio::test]
async fn data_outlives_a_stop() {
    let temp = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start_in(temp.path(), &[]).await;
    endpoint.run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").await;
    endpoint.run("INSERT INTO t VALUES (1), (2)").await;
    assert!(endpoint.stop().await.success());
    assert!(temp.path().join("clean").exists());
    let endpoint = Endpoint::start_in(temp.path(), &[]).await;
    assert!(!temp.path().join("clean").exists());
    assert_eq!(endpoint.run("SELECT sum(a) FROM t").await, "3");
}

#[tokio::test]
async fn what_runs_at_a_stop_comes_to_its_end() {
    let temp = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start_in(temp.path(), &[]).await;
    let slow = tokio::spawn(endpoint.post("/", "SELECT sleep(2)").send());
    endpoint.until_active(1).await;
    assert!(endpoint.stop().await.success());
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "0\n");
    assert!(temp.path().join("clean").exists());
}

#[tokio::test]
async fn what_would_run_too_long_is_cancelled() {
    let temp = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start_in(temp.path(), &["--drain-seconds=1"]).await;
    endpoint.run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").await;
    let endless = tokio::spawn(endpoint.post("/", "SELECT sum(number) FROM system.numbers").send());
    let inserting = tokio::spawn(endpoint.post("/", "INSERT INTO t SELECT number FROM system.numbers").send());
    endpoint.until_active(2).await;
    let start = Instant::now();
    assert!(endpoint.stop().await.success());
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    for running in [endless, inserting] {
        assert_eq!(failure(running.await.unwrap().unwrap()).await.1, 394);
    }
    assert!(temp.path().join("clean").exists());
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_hold_up_a_stop() {
    let temp = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start_in(temp.path(), &["--drain-seconds=1"]).await;
    let mut stalled = TcpStream::connect(endpoint.url.trim_start_matches("http://")).await.unwrap();
    let request = "GET /?query=SELECT+number+FROM+system.numbers HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stalled.write_all(request.as_bytes()).await.unwrap();
    endpoint.until_active(1).await;
    let start = Instant::now();
    assert!(endpoint.stop().await.success());
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    assert!(temp.path().join("clean").exists());
}

#[tokio::test]
async fn it_ends_with_the_process_that_started_it() {
    let temp = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start_in(temp.path(), &[]).await;
    assert!(endpoint.close_stdin().await.success());
    assert!(temp.path().join("clean").exists());
}
