//! Requests and answers as ClickHouse's HTTP interface has them.

use crate::support::{Endpoint, failure};

#[tokio::test]
async fn health_checks_are_answered_as_by_a_server() {
    let endpoint = Endpoint::start().await;
    for path in ["/ping", "/", "/replicas_status"] {
        assert_eq!(endpoint.http.get(endpoint.at(path)).send().await.unwrap().text().await.unwrap(), "Ok.\n");
        let head = endpoint.http.head(endpoint.at(path)).send().await.unwrap();
        assert_eq!((head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()), (200, "4"));
    }
    assert_eq!(endpoint.http.get(endpoint.at("/nowhere")).send().await.unwrap().status(), 404);
    assert_eq!(endpoint.http.delete(endpoint.at("/")).send().await.unwrap().status(), 501);
}

#[tokio::test]
async fn a_query_comes_in_the_url_the_body_or_both() {
    let endpoint = Endpoint::start().await;
    assert_eq!(endpoint.run("SELECT 1").await, "1");
    assert_eq!(endpoint.run_at("/?query=SELECT+2", "").await, "2");
    assert_eq!(endpoint.run_at("/?query=SELECT", "3").await, "3");
    assert_eq!(endpoint.run_at("/query?query=SELECT+4;", "").await, "4");
    let get = endpoint.http.get(endpoint.at("/?query=SELECT+5")).send().await.unwrap();
    assert_eq!(get.text().await.unwrap(), "5\n");
    let head = endpoint.http.head(endpoint.at("/?query=SELECT+6")).send().await.unwrap();
    assert_eq!(head.headers()["x-clickhouse-format"], "TabSeparated");
}

#[tokio::test]
async fn formats_come_from_the_query_the_url_or_a_header() {
    let endpoint = Endpoint::start().await;
    assert_eq!(endpoint.run("SELECT 1 AS a FORMAT JSONEachRow").await, r#"{"a":1}"#);
    assert_eq!(endpoint.run_at("/?default_format=CSVWithNames", "SELECT 1 AS a").await, "\"a\"\n1");
    let response = endpoint
        .post("/?default_format=CSV", "SELECT 'x' AS a")
        .header("X-ClickHouse-Format", "jsoneachrow")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-clickhouse-format"], "JSONEachRow");
    assert_eq!(response.headers()["content-type"], "application/x-ndjson; charset=UTF-8");
    assert_eq!(response.text().await.unwrap(), "{\"a\":\"x\"}\n");
    // More than one block: one document, with totals.
    let json = endpoint.run("SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k SETTINGS max_block_size=1 FORMAT JSON").await;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["rows"].as_u64(), json["totals"]["count()"].as_u64()), (Some(2), Some(10)));
    assert_eq!(endpoint.refused("/", "SELECT 1 FORMAT Nonsense").await.1, 73);
}

#[tokio::test]
async fn statements_without_rows_of_a_table_have_results_too() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a Int8) ENGINE = Memory").await;
    assert_eq!(endpoint.run("SHOW TABLES FORMAT CSV").await, "\"t\"");
    assert_eq!(endpoint.run("EXISTS t").await, "1");
    assert_eq!(endpoint.run("DESCRIBE t FORMAT TSVRaw").await.split('\t').next(), Some("a"));
    assert!(endpoint.run("EXPLAIN SELECT 1").await.contains("ReadFrom"));
    assert_eq!(endpoint.run("CREATE TABLE IF NOT EXISTS t (a Int8) ENGINE = Memory").await, "");
}

#[tokio::test]
async fn parameters_are_bound_by_type() {
    let endpoint = Endpoint::start().await;
    let sql = "SELECT {n:UInt32} + 1, {s:String}, {a:Array(Int32)}, {o:Nullable(String)} FORMAT JSONCompactEachRow";
    let got = endpoint.run_at(r"/?param_n=41&param_s=it's%20%5C%5C%20%5Ct&param_a=[1,2]&param_o=%5CN", sql).await;
    assert_eq!(got, r#"[42, "it's \\ \t", [1,2], null]"#);
    assert_eq!(endpoint.run_at("/?param_t=one", "SELECT dummy FROM system.{t:Identifier}").await, "0");
    assert_eq!(endpoint.refused("/?param_n=x", "SELECT {n:UInt32}").await.1, 457);
    assert_eq!(endpoint.refused("/", "SELECT {n:UInt32}").await.1, 456);
    endpoint.run("CREATE TABLE t (a UInt8) ENGINE = Memory").await;
    endpoint.run_at("/?param_t=t", "INSERT INTO {t:Identifier} FORMAT CSV\n7\n").await;
    assert_eq!(endpoint.run("SELECT a FROM t").await, "7");
}

#[tokio::test]
async fn settings_in_the_url_hold_for_one_request() {
    let endpoint = Endpoint::start().await;
    let threads = "SELECT getSetting('max_threads'), getSetting('log_comment')";
    assert_eq!(endpoint.run_at("/?max_threads=7&log_comment=it%27s", threads).await, r"7	it\'s");
    assert!(!endpoint.run(threads).await.starts_with("7\t"));
    assert_eq!(endpoint.run_at("/?query_id=abc", "SELECT getSetting('log_comment')").await, "abc");
    endpoint.run("CREATE DATABASE other").await;
    assert_eq!(endpoint.run_at("/?database=other", "SELECT currentDatabase()").await, "other");
    let by_header =
        endpoint.post("/", "SELECT currentDatabase()").header("X-ClickHouse-Database", "other").send().await.unwrap();
    assert_eq!(by_header.text().await.unwrap(), "other\n");
    assert_eq!(endpoint.run("SELECT currentDatabase()").await, "default");
    assert_eq!(endpoint.run_at("/?session_timezone=Asia/Tokyo", "SELECT toDateTime(0)").await, "1970-01-01 09:00:00");
    let (status, code, _) =
        endpoint.refused("/?max_execution_time=0.2", "SELECT sum(number) FROM system.numbers").await;
    assert_eq!((status, code), (408, 159));
}

#[tokio::test]
async fn errors_have_the_servers_codes_statuses_and_texts() {
    let endpoint = Endpoint::start().await;
    let cases = [
        ("/", "SELECT * FROM nowhere", 404, 60, "UNKNOWN_TABLE"),
        ("/", "SELECT * FROM nowhere.t", 404, 81, "UNKNOWN_DATABASE"),
        ("/?database=nowhere", "SELECT 1", 404, 81, "UNKNOWN_DATABASE"),
        ("/", "SELECT nowhere", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("/", "SELECT no_such_function()", 404, 46, "UNKNOWN_FUNCTION"),
        ("/", "SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("/", "", 400, 62, "SYNTAX_ERROR"),
        ("/", "exit", 400, 62, "SYNTAX_ERROR"),
        ("/", "SELECT 1; SELECT 2", 400, 62, "Multi-statements are not allowed"),
        ("/?nonsense=1", "SELECT 1", 404, 115, "UNKNOWN_SETTING"),
        ("/?max_threads=many", "SELECT 1", 400, 27, "CANNOT_PARSE_INPUT_ASSERTION_FAILED"),
        ("/", "SELECT 1 INTO OUTFILE '/tmp/x'", 500, 358, "INTO OUTFILE is not allowed"),
        ("/", "INSERT INTO nowhere FORMAT CSV\n1\n", 404, 60, "UNKNOWN_TABLE"),
        ("/", "SELECT throwIf(1, 'because')", 500, 395, "because"),
        ("/?query_id=a%0Ab", "SELECT 1", 400, 36, "BAD_ARGUMENTS"),
    ];
    for (path, sql, status, code, part) in cases {
        let (got_status, got_code, text) = endpoint.refused(path, sql).await;
        assert_eq!((got_status, got_code), (status, code), "{path} {sql}: {text}");
        assert!(text.starts_with(&format!("Code: {code}. DB::Exception: ")) && text.contains(part), "{sql}: {text}");
        assert!(text.trim_end().ends_with(')') && text.contains("(version "), "{sql}: {text}");
    }
}

#[tokio::test]
async fn a_get_changes_nothing() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a Int8) ENGINE = Memory").await;
    for sql in [
        "DROP TABLE t",
        "INSERT INTO t VALUES (1)",
        "INSERT INTO t SELECT 1",
        "CREATE TABLE u (a Int8) ENGINE = Memory",
        "TRUNCATE TABLE t",
    ] {
        let response = endpoint.http.get(endpoint.at("/")).query(&[("query", sql)]).send().await.unwrap();
        let (_, code, text) = failure(response).await;
        assert_eq!(code, 164, "{sql}: {text}");
    }
    assert_eq!(endpoint.run("SELECT count() FROM t").await, "0");
}

#[tokio::test]
async fn answers_say_what_was_done() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").await;
    let insert =
        endpoint.post("/?query=INSERT+INTO+t+FORMAT+CSV&query_id=my-insert", "1\n2\n3\n").send().await.unwrap();
    assert_eq!(insert.headers()["x-clickhouse-query-id"], "my-insert");
    let summary: serde_json::Value =
        serde_json::from_str(insert.headers()["x-clickhouse-summary"].to_str().unwrap()).unwrap();
    assert_eq!((summary["written_rows"].as_str(), summary["read_rows"].as_str()), (Some("3"), Some("0")));
    let select = endpoint.post("/", "SELECT a FROM t").send().await.unwrap();
    let summary: serde_json::Value =
        serde_json::from_str(select.headers()["x-clickhouse-summary"].to_str().unwrap()).unwrap();
    assert_eq!((summary["read_rows"].as_str(), summary["result_rows"].as_str()), (Some("3"), Some("3")));
    for header in [
        "x-clickhouse-timezone",
        "x-clickhouse-server-display-name",
        "x-clickhouse-exception-tag",
        "x-clickhouse-query-id",
    ] {
        assert!(!select.headers()[header].is_empty(), "{header}");
    }
}

#[tokio::test]
async fn metrics_count_statements_rows_and_errors() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").await;
    endpoint.run_at("/?query=INSERT+INTO+t+FORMAT+CSV", "1\n2\n").await;
    endpoint.run("SELECT a FROM t").await;
    endpoint.refused("/", "SELECT * FROM nowhere").await;
    let metrics = endpoint.http.get(endpoint.at("/metrics")).send().await.unwrap().text().await.unwrap();
    for line in [
        "millrace_engine_queries_total{kind=\"insert\"} 1",
        "millrace_engine_queries_total{kind=\"select\"} 2",
        "millrace_engine_errors_total{code=\"60\"} 1",
        "millrace_engine_written_rows_total 2",
        "millrace_engine_read_rows_total 2",
        "millrace_engine_active_queries 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} is not in\n{metrics}");
    }
}
