//! Results go out while the query runs; a query nobody waits for ends; a failed result cannot be taken for whole.

use std::time::Instant;

use futures::StreamExt;

use crate::support::{DEADLINE, Endpoint, failure};

const RUNNING: &str =
    "SELECT count() FROM system.processes WHERE query LIKE '%system.numbers%' AND query NOT LIKE '%system.processes%'";

#[tokio::test]
async fn a_result_begins_before_its_query_ends() {
    let endpoint = Endpoint::start().await;
    let start = Instant::now();
    let response = endpoint.post("/", "SELECT number FROM system.numbers FORMAT RowBinary").send().await.unwrap();
    let mut body = response.bytes_stream();
    let (mut got, mut first) = (0_usize, None);
    while got < 50_000_000 {
        let piece = body.next().await.unwrap().unwrap();
        first.get_or_insert_with(|| start.elapsed());
        got += piece.len();
    }
    println!("first byte after {:?}, 50 MB after {:?}", first.unwrap(), start.elapsed());
}

#[tokio::test]
async fn a_query_ends_when_its_client_leaves() {
    let endpoint = Endpoint::start().await;
    for sql in [
        "SELECT number FROM system.numbers FORMAT RowBinary",
        "SELECT sum(number) FROM system.numbers",
        "SELECT count() FROM (SELECT number FROM system.numbers ORDER BY number)",
    ] {
        let request = endpoint.post("/", sql).send();
        let leaves = async {
            endpoint.until(RUNNING, "1").await;
        };
        // Whichever comes first, the request is then dropped, with its response if there is one.
        tokio::select! {
            response = request => {
                let mut body = response.unwrap().bytes_stream();
                body.next().await.unwrap().unwrap();
            }
            () = leaves => {}
        }
        let start = Instant::now();
        endpoint.until(RUNNING, "0").await;
        println!("ended {:?} after its client left: {sql}", start.elapsed());
    }
    endpoint.until_metric("millrace_engine_errors_total{code=\"394\"} 3").await;
}

#[tokio::test]
async fn many_queries_end_when_many_clients_leave() {
    let endpoint = Endpoint::start().await;
    let start = || endpoint.post("/", "SELECT number FROM system.numbers FORMAT RowBinary").send();
    let responses = futures::future::join_all((0..40).map(|_| start())).await;
    assert!(responses.iter().all(|response| response.as_ref().unwrap().status() == 200));
    endpoint.until_active(40).await;
    drop(responses);
    endpoint.until_active(0).await;
}

#[tokio::test]
async fn an_early_failure_is_an_error_status() {
    let endpoint = Endpoint::start().await;
    let (status, code, text) = endpoint
        .refused("/", "SELECT number, throwIf(number = 1000) FROM system.numbers SETTINGS max_block_size = 10")
        .await;
    assert_eq!((status, code), (500, 395));
    assert!(text.starts_with("Code: 395."), "none of the result: {text}");
}

#[tokio::test]
async fn a_late_failure_is_told_in_the_body_and_by_a_cut_connection() {
    let endpoint = Endpoint::start().await;
    let sql = "SELECT number, throwIf(number = 3000000, 'late') FROM system.numbers";
    for path in ["/", "/?default_format=JSON", "/?default_format=RowBinary"] {
        let response = endpoint.post(path, sql).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let tag = response.headers()["x-clickhouse-exception-tag"].to_str().unwrap().to_owned();
        let mut body = response.bytes_stream();
        let (mut all, mut cut) = (Vec::new(), false);
        while let Some(piece) = tokio::time::timeout(DEADLINE, body.next()).await.unwrap() {
            match piece {
                Ok(piece) => all.extend_from_slice(&piece),
                Err(_) => cut = true,
            }
        }
        assert!(cut, "the body must not look whole");
        let end = String::from_utf8_lossy(&all[all.len() - 600..]).into_owned();
        assert!(end.contains(&format!("\r\n__exception__\r\n{tag}\r\nCode: 395. DB::Exception: late")), "{end}");
        assert!(end.ends_with(&format!(" {tag}\r\n__exception__\r\n")), "{end}");
    }
}

#[tokio::test]
async fn a_result_can_be_kept_back_until_its_end() {
    let endpoint = Endpoint::start().await;
    let sql = "SELECT number, throwIf(number = 3000000, 'late') FROM system.numbers";
    let response = endpoint.post("/?wait_end_of_query=1", sql).send().await.unwrap();
    assert_eq!(failure(response).await.1, 395);
    let response = endpoint
        .post("/?wait_end_of_query=1", "SELECT number FROM numbers(3000000) FORMAT RowBinary")
        .send()
        .await
        .unwrap();
    let summary: serde_json::Value =
        serde_json::from_str(response.headers()["x-clickhouse-summary"].to_str().unwrap()).unwrap();
    assert_eq!(summary["result_rows"], "3000000", "known before the first byte is sent");
    let body = response.bytes().await.unwrap();
    let numbers: Vec<u64> = body.chunks_exact(8).map(|n| u64::from_le_bytes(n.try_into().unwrap())).collect();
    assert!(numbers.iter().copied().eq(0..3_000_000));
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_it() {
    let endpoint = Endpoint::start().await;
    let response = endpoint.post("/", "SELECT number FROM numbers(2000000) FORMAT RowBinary").send().await.unwrap();
    let mut body = response.bytes_stream();
    let mut got = 0;
    while let Some(piece) = body.next().await {
        got += piece.unwrap().len();
        tokio::task::yield_now().await;
    }
    assert_eq!(got, 16_000_000);
}
