//! Clients that are slow, too large, or gone.

use crate::support::{Mode, Running, numbered, transaction};
use http::Method;
use millrace_schemas::Topic;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const TRANSACTIONS: &str = "/api/v1/transactions";

/// Sends bytes as they are and reads until the gateway closes.
async fn raw(gateway: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
    stream.write_all(bytes).await.expect("sent");
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("closed within 10 s");
    read.expect("closed well");
    String::from_utf8(answer).expect("text")
}

fn post(length: usize, body: &str) -> String {
    format!(
        "POST {TRANSACTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_dropped() {
    let gateway = Running::start_with(|config| config.header_timeout_ms = 100).await;
    let began = Instant::now();
    raw(&gateway, b"POST /api/v1/transactions HTTP/1.1\r\nhost:").await;
    raw(&gateway, b"").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_408_and_kept() {
    let gateway = Running::start_with(|config| config.body_timeout_ms = 100).await;
    let answer = raw(&gateway, post(1_000, "{\"amount\"").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let letter = gateway.log.last(Topic::DeadLetters);
    assert_eq!(
        (&letter["code"], &letter["payload_bytes"], &letter["truncated"]),
        (&json!("body_timeout"), &json!(1_000), &json!(true))
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_kept_though_nobody_hears_of_it() {
    let gateway = Running::start().await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
    stream.write_all(post(1_000, "{\"amount\"").as_bytes()).await.expect("sent");
    drop(stream);
    gateway.log.wait_for(Topic::Requests, 1).await;
    assert_eq!(gateway.log.last(Topic::Requests)["code"], "body_cut_off");
    gateway.stop().await;
}

#[tokio::test]
async fn headers_that_are_too_large_are_431() {
    let gateway = Running::start_with(|config| config.header_max_bytes = 8_192).await;
    let long = "x".repeat(20_000);
    let answer = gateway.client.send(Method::GET, "/health", &[("x-long", long.as_str())], "").await;
    assert_eq!(answer.status, 431);
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    let answer = raw(&gateway, format!("GET /health HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_and_its_client_hears_why() {
    let gateway = Running::start_with(|config| config.body_max_bytes = 1_000).await;
    let large = vec![b' '; 20 << 20];
    let answer = gateway.client.post(TRANSACTIONS, "application/json", large.clone()).await;
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert_eq!(gateway.log.last(Topic::DeadLetters)["payload_bytes"], large.len());
    gateway.stop().await;
}

#[tokio::test]
async fn a_chunked_body_is_counted_as_it_comes() {
    let gateway = Running::start_with(|config| config.body_max_bytes = 1_000).await;
    let chunk = format!("258\r\n{}\r\n", "x".repeat(0x258));
    let head = format!(
        "POST {TRANSACTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let answer = raw(&gateway, format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(gateway.log.last(Topic::DeadLetters)["payload_bytes"], 1_000);
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_takes_no_half_of_its_batch_with_it() {
    let gateway = Running::start().await;
    gateway.log.set(Mode::Stall);
    let body = Json::from((0..50).map(numbered).collect::<Vec<_>>()).to_string();
    let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
    stream.write_all(post(body.len(), &body).as_bytes()).await.expect("sent");
    gateway.log.wait_for(Topic::Transactions, 50).await;
    drop(stream);
    gateway.log.set(Mode::Acknowledge);
    gateway.log.wait_for(Topic::Requests, 1).await;
    assert_eq!(gateway.log.last(Topic::Requests)["accepted"], 50);
    gateway.stop().await;
}

#[tokio::test]
async fn connections_beyond_their_number_wait() {
    let gateway = Running::start_with(|config| config.connections_max = 1).await;
    let mut first = TcpStream::connect(gateway.address).await.expect("a connection");
    first.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut buffer = [0; 1_024];
    assert!(first.read(&mut buffer).await.expect("an answer") > 0);
    let second = gateway.client.clone();
    let waiting = tokio::spawn(async move { second.get("/health").await });
    assert!(timeout(Duration::from_millis(100), first.read(&mut buffer)).await.is_err());
    assert!(!waiting.is_finished());
    drop(first);
    assert_eq!(waiting.await.expect("no panic").status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let gateway = Running::start().await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("a connection");
    let body = transaction().to_string();
    let one = post(body.len(), &body);
    stream
        .write_all(format!("{one}{one}{}", one.replacen("host: x", "host: x\r\nconnection: close", 1)).as_bytes())
        .await
        .expect("sent");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.expect("answers");
    assert_eq!(answers.matches("HTTP/1.1 202 ").count(), 3, "{answers}");
    gateway.stop().await;
}
