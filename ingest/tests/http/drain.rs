//! Ending: what is in flight finishes, nothing new begins.

use crate::support::{Mode, Running, transaction};
use millrace_schemas::Topic;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

const TRANSACTIONS: &str = "/api/v1/transactions";

#[tokio::test]
async fn a_request_in_flight_is_answered_and_no_connection_is_taken() {
    let mut gateway = Running::start().await;
    gateway.log.set(Mode::Stall);
    let client = gateway.client.clone();
    let waiting = tokio::spawn(async move { client.post_json(TRANSACTIONS, &transaction()).await });
    gateway.log.wait_for(Topic::Transactions, 1).await;
    gateway.begin_stop();
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(gateway.address).await.is_ok() {
        assert!(Instant::now() < deadline, "connections are still taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gateway.log.set(Mode::Acknowledge);
    let answer = waiting.await.expect("no panic");
    assert_eq!((answer.status, answer.header("connection")), (202, Some("close")));
    gateway.stop().await;
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_end() {
    let gateway = Running::start().await;
    let unused = TcpStream::connect(gateway.address).await.expect("a connection");
    assert_eq!(gateway.client.get("/health").await.status, 200);
    let began = Instant::now();
    gateway.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(unused);
}

#[tokio::test]
async fn what_never_finishes_is_cut_off_unanswered() {
    let mut gateway = Running::start_with(|config| {
        config.drain_timeout_ms = 100;
        config.ack_timeout_ms = 60_000;
    })
    .await;
    gateway.log.set(Mode::Stall);
    let request = format!(
        "POST {TRANSACTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        transaction().to_string().len(),
        transaction()
    );
    let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.expect("sent");
    gateway.log.wait_for(Topic::Transactions, 1).await;
    gateway.begin_stop();
    let mut answer = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
    assert_eq!(answer, b"");
    gateway.stop().await;
}
