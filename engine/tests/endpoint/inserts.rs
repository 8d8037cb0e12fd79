//! Inserts: streamed, whole or not at all, and once per token.

use bytes::Bytes;
use futures::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{DEADLINE, Endpoint, rows};

const INSERT: &str = "/?query=INSERT+INTO+t+FORMAT+RowBinary";

/// A base table and a view's target, both with a deduplication window.
async fn with_rollup(endpoint: &Endpoint) {
    for sql in [
        "CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100",
        "CREATE TABLE r (c UInt64) ENGINE = SummingMergeTree ORDER BY tuple() SETTINGS non_replicated_deduplication_window = 100",
        "CREATE MATERIALIZED VIEW v TO r AS SELECT count() AS c FROM t",
    ] {
        endpoint.run(sql).await;
    }
}

async fn counts(endpoint: &Endpoint) -> String {
    endpoint.run("SELECT (SELECT count() FROM t), (SELECT sum(c) FROM r)").await
}

#[tokio::test]
async fn rows_come_with_the_query_in_the_url_or_before_them() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a UInt64, s String DEFAULT 'd') ENGINE = MergeTree ORDER BY a").await;
    endpoint.run_at("/?query=INSERT+INTO+t+FORMAT+CSV", "1,x\n").await;
    endpoint.run_at("/?query=INSERT+INTO+t+(a)+VALUES", "(2),(3)").await;
    endpoint.run("INSERT INTO t (a) FORMAT JSONEachRow\n{\"a\":4}{\"a\":5}").await;
    endpoint.run("INSERT INTO t SETTINGS async_insert = 1 VALUES (6, 'FORMAT x'), (7, concat('a', 'b'))").await;
    endpoint.run_at(INSERT, rows(8..10)).await;
    endpoint.run("INSERT INTO t SELECT number + 10, 'n' FROM numbers(2)").await;
    endpoint.run_at(INSERT, "").await;
    let got = endpoint.run("SELECT groupArray(a), groupUniqArray(s) = ['x'] OR has(groupUniqArray(s), 'd') FROM (SELECT * FROM t ORDER BY a)").await;
    assert_eq!(got, "[1,2,3,4,5,6,7,8,9,10,11]\t1");
}

#[tokio::test]
async fn a_token_sent_twice_counts_once_in_table_and_view() {
    let endpoint = Endpoint::start().await;
    with_rollup(&endpoint).await;
    for _ in 0..2 {
        endpoint.run_at(&format!("{INSERT}&insert_deduplication_token=a&async_insert=0"), rows(0..1)).await;
        endpoint.run_at("/?insert_deduplication_token=b", "INSERT INTO t VALUES (5, 'x')").await;
        endpoint.run("INSERT INTO t SETTINGS insert_deduplication_token = 'c' VALUES (6, 'x')").await;
        endpoint.run_at("/?insert_deduplication_token=d", "INSERT INTO t SELECT 7, 'x'").await;
    }
    assert_eq!(counts(&endpoint).await, "4\t4");
    // The token was the request's: the next insert of the same rows is another one.
    endpoint.run_at(INSERT, rows(9..10)).await;
    endpoint.run_at(&format!("{INSERT}&insert_deduplication_token=e"), rows(9..10)).await;
    assert_eq!(counts(&endpoint).await, "6\t6");
}

#[tokio::test]
async fn the_views_part_of_deduplication_can_be_turned_off() {
    let endpoint = Endpoint::start().await;
    with_rollup(&endpoint).await;
    let path = format!("{INSERT}&insert_deduplication_token=a&deduplicate_blocks_in_dependent_materialized_views=0");
    endpoint.run_at(&path, rows(0..1)).await;
    endpoint.run_at(&path, rows(0..1)).await;
    assert_eq!(counts(&endpoint).await, "1\t2");
}

#[tokio::test]
async fn a_large_insert_is_one_block() {
    let endpoint = Endpoint::start().await;
    with_rollup(&endpoint).await;
    let body = Bytes::from(rows(0..300_000));
    for _ in 0..2 {
        endpoint.run_at(&format!("{INSERT}&insert_deduplication_token=large"), body.clone()).await;
    }
    assert_eq!(counts(&endpoint).await, "300000\t300000");
    assert_eq!(endpoint.run("SELECT count() FROM system.parts WHERE table = 't' AND active").await, "1");
    // Smaller blocks when they are asked for.
    let smaller = "&max_insert_block_size=100000&min_insert_block_size_rows=0&min_insert_block_size_bytes=0";
    endpoint.run("SYSTEM STOP MERGES t").await;
    endpoint.run_at(&format!("{INSERT}{smaller}"), body).await;
    assert_eq!(endpoint.run("SELECT count() FROM system.parts WHERE table = 't' AND active").await, "4");
}

#[tokio::test]
async fn values_in_the_statement_may_be_larger_than_a_statement() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a").await;
    let values: Vec<String> = (0..200_000).map(|n| format!("({n}, 'text {n}')")).collect();
    endpoint.run(&format!("INSERT INTO t VALUES {}", values.join(", "))).await;
    assert_eq!(endpoint.run("SELECT count(), sum(a), any(s LIKE 'text %') FROM t").await, "200000\t19999900000\t1");
}

#[tokio::test]
async fn an_insert_with_a_bad_row_inserts_nothing_and_says_where() {
    let endpoint = Endpoint::start().await;
    with_rollup(&endpoint).await;
    let mut body = rows(0..1000);
    body.push(1);
    let (status, code, text) = endpoint.refused(INSERT, body).await;
    assert_eq!((status, code), (500, 33), "{text}");
    assert!(text.contains("at row 1001"), "{text}");
    let (status, code, text) =
        endpoint.refused("/?query=INSERT+INTO+t+FORMAT+JSONEachRow", "{\"a\":1}{\"a\":\"x\"}").await;
    assert_eq!((status, code), (400, 27), "{text}");
    assert_eq!(counts(&endpoint).await, "0\t0");
}

#[tokio::test]
async fn a_refused_insert_is_answered_although_its_body_goes_on() {
    let endpoint = Endpoint::start().await;
    let body = stream::iter((0..200).map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![0; 100_000]))));
    let (status, code, _) =
        endpoint.refused("/?query=INSERT+INTO+nowhere+FORMAT+RowBinary", reqwest::Body::wrap_stream(body)).await;
    assert_eq!((status, code), (404, 60));
}

#[tokio::test]
async fn an_insert_whose_client_leaves_inserts_nothing() {
    let endpoint = Endpoint::start().await;
    with_rollup(&endpoint).await;
    for chunked in [false, true] {
        let mut stream = TcpStream::connect(endpoint.url.trim_start_matches("http://")).await.unwrap();
        let length = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 100000000" };
        stream
            .write_all(format!("POST {INSERT} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let body = rows(0..200_000);
        if chunked {
            stream.write_all(format!("{:x}\r\n", body.len()).as_bytes()).await.unwrap();
        }
        stream.write_all(&body).await.unwrap();
        endpoint.until("SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO t%'", "1").await;
        drop(stream);
        endpoint.until("SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO t%'", "0").await;
        assert_eq!(counts(&endpoint).await, "0\t0");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_a_small_one_that_unpacks_to_more_too() {
    let endpoint = Endpoint::start_with(&["--max-body-bytes=1000000"]).await;
    with_rollup(&endpoint).await;
    let (status, code, text) = endpoint.refused(INSERT, rows(0..100_000)).await;
    assert_eq!((status, code), (413, 229), "{text}");
    let packed = zstd::bulk::compress(&vec![0; 50_000_000], 1).unwrap();
    let response = endpoint
        .post("/?query=INSERT+INTO+t+FORMAT+RowBinary", packed)
        .header("Content-Encoding", "zstd")
        .send()
        .await
        .unwrap();
    assert_eq!(crate::support::failure(response).await.1, 229);
    assert_eq!(counts(&endpoint).await, "0\t0");
}

#[tokio::test]
async fn the_connection_serves_on_after_an_insert() {
    let endpoint = Endpoint::start().await;
    with_rollup(&endpoint).await;
    let mut stream = TcpStream::connect(endpoint.url.trim_start_matches("http://")).await.unwrap();
    let body = rows(0..10);
    let head = format!("POST {INSERT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    let request = [head.as_bytes(), &body].concat();
    for _ in 0..3 {
        stream.write_all(&request).await.unwrap();
        let mut answer = [0; 15];
        tokio::time::timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        let mut rest = vec![0; 4096];
        assert!(stream.read(&mut rest).await.unwrap() > 0);
    }
    assert_eq!(counts(&endpoint).await, "10\t10", "the same rows without a token are one block");
}
