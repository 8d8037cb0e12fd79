//! Real clients: the `clickhouse` crate and clickhouse-connect.

use std::process::Stdio;

use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};

use crate::support::{DEADLINE, Endpoint};

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Purchase {
    id: u64,
    /// Decimal(18, 4).
    amount: i64,
    /// DateTime64(3).
    at: i64,
    place: Option<String>,
    tags: Vec<String>,
    counts: Vec<(String, u32)>,
}

const TABLE: &str = "CREATE TABLE purchases (
    id UInt64, amount Decimal(18, 4), at DateTime64(3), place LowCardinality(Nullable(String)),
    tags Array(String), counts Map(String, UInt32)
) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100";

fn purchases(count: u64) -> Vec<Purchase> {
    let purchase = |id: u64| Purchase {
        id,
        amount: id as i64 * 10_001 - 5,
        at: 1_700_000_000_000 + id as i64,
        place: (!id.is_multiple_of(3)).then(|| format!("place {}", id % 7)),
        tags: (0..id % 4).map(|n| format!("tag {n}")).collect(),
        counts: vec![("items".to_owned(), id as u32 % 10)],
    };
    (0..count).map(purchase).collect()
}

#[tokio::test]
async fn the_clickhouse_crate_inserts_and_selects_with_lz4() {
    let endpoint = Endpoint::start().await;
    for compression in [Compression::Lz4, Compression::None] {
        let client = Client::default().with_url(&endpoint.url).with_compression(compression);
        client.query("DROP TABLE IF EXISTS purchases").execute().await.unwrap();
        client.query(TABLE).execute().await.unwrap();
        let sent = purchases(50_000);
        for _ in 0..2 {
            let mut insert =
                client.insert::<Purchase>("purchases").await.unwrap().with_setting("insert_deduplication_token", "one");
            for purchase in &sent {
                insert.write(purchase).await.unwrap();
            }
            insert.end().await.unwrap();
        }
        let got = client.query("SELECT ?fields FROM purchases ORDER BY id").fetch_all::<Purchase>().await.unwrap();
        assert!(got == sent, "{compression:?}");
        let total: i128 =
            client.query("SELECT sum(amount) FROM purchases WHERE id < ?").bind(1000_u64).fetch_one().await.unwrap();
        assert_eq!(total, sent.iter().take(1000).map(|p| i128::from(p.amount)).sum::<i128>());
    }
}

#[tokio::test]
async fn the_clickhouse_crate_sees_errors_as_from_a_server() {
    let endpoint = Endpoint::start().await;
    let client = Client::default().with_url(&endpoint.url);
    let error = client.query("SELECT * FROM nowhere").execute().await.unwrap_err().to_string();
    assert!(error.contains("Code: 60."), "{error}");
    let late = "SELECT toUInt64(number), toUInt8(throwIf(number = 3000000, 'late')) FROM system.numbers";
    let mut cursor = client.query(late).fetch::<(u64, u8)>().unwrap();
    let error = loop {
        match cursor.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the result looked whole"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("Code: 395. DB::Exception: late"), "{error}");
    let bound: String = client.query("SELECT {name:String}").param("name", "it's \\ here").fetch_one().await.unwrap();
    assert_eq!(bound, "it's \\ here");
}

#[tokio::test]
async fn bytes_encoded_before_are_inserted_as_they_are() {
    let endpoint = Endpoint::start().await;
    let client = Client::default().with_url(&endpoint.url);
    client.query("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10").execute().await.unwrap();
    for _ in 0..2 {
        let insert = client.insert_formatted_with("INSERT INTO t (a, s) FORMAT RowBinary");
        let mut insert =
            insert.with_setting("insert_deduplication_token", "t:0:0-99999").with_setting("async_insert", "0");
        insert.send(crate::support::rows(0..100_000).into()).await.unwrap();
        insert.end().await.unwrap();
    }
    let count: u64 = client.query("SELECT count() FROM t").fetch_one().await.unwrap();
    assert_eq!(count, 100_000);
}

#[tokio::test]
async fn clickhouse_connect_works() {
    let python = std::env::var_os("MILLRACE_TEST_PYTHON");
    let python =
        python.expect("MILLRACE_TEST_PYTHON must name a python with clickhouse-connect: `make test` prepares one");
    let endpoint = Endpoint::start().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_client.py");
    let mut run = tokio::process::Command::new(python);
    run.arg(script).arg(&endpoint.url).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(DEADLINE * 2, run.output()).await.expect("it ends in time").unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.ends_with("all passed\n"), "{out}");
}
