//! Compressed requests and responses, in HTTP's encodings and in ClickHouse's blocks.

use std::io::{Read, Write};

use crate::support::{Endpoint, failure, rows};

fn compress(encoding: &str, data: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::encode_all(data, 1).unwrap(),
        "lz4" => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        _ => data.to_vec(),
    }
}

fn decompress(encoding: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match encoding {
        "gzip" => flate2::read::GzDecoder::new(data).read_to_end(&mut out).unwrap(),
        "zstd" => zstd::stream::read::Decoder::new(data).unwrap().read_to_end(&mut out).unwrap(),
        "lz4" => lz4_flex::frame::FrameDecoder::new(data).read_to_end(&mut out).unwrap(),
        _ => panic!("{encoding}"),
    };
    out
}

#[tokio::test]
async fn every_encoding_goes_both_ways() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a").await;
    // Without the client's own decompression.
    let http = reqwest::Client::builder().no_gzip().build().unwrap();
    for encoding in ["gzip", "zstd", "lz4"] {
        endpoint.run("TRUNCATE TABLE t").await;
        let body = compress(encoding, &rows(0..200_000));
        let insert = endpoint.post("/?query=INSERT+INTO+t+FORMAT+RowBinary", body).header("Content-Encoding", encoding);
        assert_eq!(insert.send().await.unwrap().status(), 200, "{encoding}");
        let select = http
            .post(endpoint.at("/"))
            .header("Accept-Encoding", encoding)
            .body("SELECT * FROM t ORDER BY a FORMAT RowBinary");
        let response = select.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], encoding);
        assert!(decompress(encoding, &response.bytes().await.unwrap()) == rows(0..200_000), "{encoding}");
    }
}

#[tokio::test]
async fn blocks_of_clickhouse_go_both_ways() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a").await;
    endpoint.run_at("/?query=INSERT+INTO+t+FORMAT+RowBinary", rows(0..300_000)).await;
    let blocks = endpoint
        .post("/?compress=1", "SELECT * FROM t ORDER BY a FORMAT RowBinary")
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(blocks.len() < 3_000_000, "{} bytes for 4,2 million", blocks.len());
    endpoint.run("CREATE TABLE u AS t").await;
    endpoint.run_at("/?query=INSERT+INTO+u+FORMAT+RowBinary&decompress=1", blocks.clone()).await;
    assert_eq!(endpoint.run("SELECT count(), sum(a) = (SELECT sum(a) FROM t) FROM u").await, "300000\t1");
    let mut damaged = blocks.to_vec();
    damaged[1000] ^= 1;
    let (_, code, text) = endpoint.refused("/?query=INSERT+INTO+u+FORMAT+RowBinary&decompress=1", damaged).await;
    assert_eq!(code, 271, "{text}");
    assert_eq!(endpoint.run("SELECT count() FROM u").await, "300000");
}

#[tokio::test]
async fn a_late_failure_is_told_through_the_compression() {
    let endpoint = Endpoint::start().await;
    let http = reqwest::Client::builder().no_gzip().build().unwrap();
    let sql = "SELECT number, throwIf(number = 3000000, 'late') FROM system.numbers";
    let mut response = http.post(endpoint.at("/")).header("Accept-Encoding", "lz4").body(sql).send().await.unwrap();
    let mut all = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        all.extend_from_slice(&piece);
    }
    let text = decompress("lz4", &all);
    assert!(String::from_utf8_lossy(&text[text.len() - 600..]).contains("Code: 395. DB::Exception: late"));
}

#[tokio::test]
async fn what_is_not_compressed_as_said_is_refused() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a").await;
    for encoding in ["gzip", "zstd", "lz4"] {
        let response =
            endpoint.post("/?query=INSERT+INTO+t+FORMAT+RowBinary", rows(0..10)).header("Content-Encoding", encoding);
        let (_, code, text) = failure(response.send().await.unwrap()).await;
        assert_eq!(code, 271, "{encoding}: {text}");
    }
    let cut: Vec<u8> = compress("zstd", &rows(0..100_000)).into_iter().take(1000).collect();
    let response = endpoint
        .post("/?query=INSERT+INTO+t+FORMAT+RowBinary", cut)
        .header("Content-Encoding", "zstd")
        .send()
        .await
        .unwrap();
    assert_eq!(failure(response).await.1, 271);
    assert_eq!(endpoint.run("SELECT count() FROM t").await, "0");
}
