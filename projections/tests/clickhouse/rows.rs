//! What is read back is what was written, to the last digit and byte.

use crate::{
    database::TestDatabase,
    events::{Generator, START, batch},
};
use clickhouse::Row;
use millrace_projections::clickhouse::tables::{
    DEAD_LETTERS, DUPLICATES, LABELS, RECEIPT_ITEMS, RECEIPT_MATCHES, RECEIPTS, REQUESTS, TRANSACTION_SCORES,
    TRANSACTIONS,
};
use millrace_runtime::sink::Sink as _;
use millrace_schemas::{
    Event,
    event::{DeadLetter, Duplicate, FieldError, ItemResult, Request, Source},
    money::{format_money, format_quantity},
    rules::{AMOUNT_MAX, QUANTITY_MAX},
};
use serde::Deserialize;

/// A row as JSON text, without what only the log knows.
async fn json<E: Event>(database: &TestDatabase, event: &E, select: &str) -> String {
    database.sink().write(&batch(2, 5, std::slice::from_ref(event))).await.expect("batch");
    let sql = select.replace("{db}", database.clickhouse.database().as_str());
    let sql = format!("SELECT formatRowNoNewline('JSONEachRow', *) FROM ({sql})");
    database.clickhouse.query(&sql).fetch_one().await.expect("row")
}

#[tokio::test]
async fn every_column_of_every_table_is_written() {
    let database = TestDatabase::migrated().await;
    for (table, written) in [
        ("transactions", TRANSACTIONS.column_names()),
        ("transaction_scores", TRANSACTION_SCORES.column_names()),
        ("receipts", RECEIPTS.column_names()),
        ("receipt_items", RECEIPT_ITEMS.column_names()),
        ("receipt_matches", RECEIPT_MATCHES.column_names()),
        ("labels", LABELS.column_names()),
        ("requests", REQUESTS.column_names()),
        ("dead_letters", DEAD_LETTERS.column_names()),
        ("duplicates", DUPLICATES.column_names()),
    ] {
        let sql = "SELECT name FROM system.columns WHERE database = ? AND table = ? AND name != '_stored_at' ORDER BY position";
        let name = database.clickhouse.database().as_str();
        let columns: Vec<String> =
            database.clickhouse.query(sql).bind(name).bind(table).fetch_all().await.expect("columns");
        assert_eq!(written, columns, "{table}");
    }
}

#[tokio::test]
async fn money_and_quantities_keep_every_digit() {
    #[derive(Debug, PartialEq, Row, Deserialize)]
    struct Line {
        price: String,
        quantity: String,
        amount: String,
    }
    let database = TestDatabase::migrated().await;
    let mut event = Generator::new(30).purchase();
    let values = [(0, 1, 0), (1, -1, -1), (109_900, 2_000_000, 219_800), (AMOUNT_MAX, QUANTITY_MAX, i64::MAX - 7)];
    let template = event.lines[0].clone();
    event.lines = (1..)
        .zip(values)
        .map(|(line, (price, quantity, amount))| {
            let mut this = template.clone();
            (this.line, this.price, this.quantity, this.amount) = (line, price, quantity, amount);
            this
        })
        .collect();
    // A Decimal(18, 4) holds 18 digits; the largest amount the rules allow has 17.
    event.lines[3].amount = -999_999_999_999_999_999;
    database.sink().write(&batch(0, 0, std::slice::from_ref(&event))).await.expect("batch");
    let sql = format!(
        "SELECT toString(price) AS price, toString(quantity) AS quantity, toString(amount) AS amount FROM {}.receipt_items ORDER BY line",
        database.clickhouse.database()
    );
    let stored: Vec<Line> = database.clickhouse.query(&sql).fetch_all().await.expect("lines");
    let bare = |text: String| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    let expected: Vec<Line> = event
        .lines
        .iter()
        .map(|line| Line {
            price: if line.price == 0 { "0".into() } else { bare(format_money(line.price)) },
            quantity: format_quantity(line.quantity),
            amount: if line.amount == 0 { "0".into() } else { bare(format_money(line.amount)) },
        })
        .collect();
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn a_scored_transaction_is_read_back_as_it_was() {
    let database = TestDatabase::migrated().await;
    let mut event = Generator::new(31).score();
    event.transaction.is_fraud = Some(true);
    event.transaction.customer_segments = vec!["new".into(), String::new()];
    event.transaction.location = "O'Hare \\ \"T5\"\n".into();
    event.scoring = 0.1;
    event.transaction.amount = 123_456;
    let transaction = json(
        &database,
        &event,
        "SELECT customer_id, amount, location, is_fraud, card_risk_score, customer_segments, extra, time_resolution, \
         toUnixTimestamp64Milli(occurred_at) AS at, toString(trn_id) AS trn_id, source_offset, _topic, _partition, _offset, \
         toUnixTimestamp64Milli(_timestamp) AS time, _stored_at > '2020-01-01' AS stored FROM {db}.transactions",
    )
    .await;
    let expected = format!(
        r#"{{"customer_id":"{}","amount":12.3456,"location":"O'Hare \\ \"T5\"\n","is_fraud":true,"card_risk_score":null,"customer_segments":["new",""],"extra":{{"loyalty":"{{\"points\":3}}"}},"time_resolution":"{}","at":"{}","trn_id":"{}","source_offset":"1","_topic":"transaction-scores","_partition":2,"_offset":"5","time":"{}","stored":1}}"#,
        event.transaction.customer_id,
        if event.transaction.time_zone.is_some() { "ambiguous_earlier" } else { "exact" },
        event.occurred_at,
        event.trn_id,
        START + 5
    );
    assert_eq!(unquoted(&transaction), unquoted(&expected));
    let score = json(
        &database,
        &event,
        "SELECT scoring, decision_source, customer_avg_amount_24h, customer_transaction_count_6h, features, reasons.code AS codes \
         FROM {db}.transaction_scores",
    )
    .await;
    assert!(score.starts_with(r#"{"scoring":0.1,"decision_source":""#), "{score}");
    let windows = r#""customer_avg_amount_24h":4.0003,"customer_transaction_count_6h":2,"features":{"amount_ratio":1.5,"count_3h":7}"#;
    assert!(score.contains(windows), "{score}");
    assert_eq!(score.contains(r#""codes":["velocity","new_device"]"#), !event.reasons.is_empty(), "{score}");
}

#[tokio::test]
async fn a_receipt_and_its_lines_are_read_back_as_they_were() {
    let database = TestDatabase::migrated().await;
    let event = Generator::new(32).purchase();
    let receipt =
        json(&database, &event, "SELECT lines, place_name, toString(total_amount) AS total FROM {db}.receipts").await;
    let total = format_money(event.receipt.total_amount);
    let total = total.strip_suffix("00").and_then(|t| t.strip_suffix('.')).unwrap_or(&total);
    let expected =
        format!(r#"{{"lines":{},"place_name":"{}","total":"{total}"}}"#, event.lines.len(), event.receipt.place_name);
    assert_eq!(receipt.trim_end_matches("0\"}"), expected.trim_end_matches("0\"}"));
    let line =
        json(&database, &event, "SELECT line, extra, category FROM {db}.receipt_items ORDER BY line LIMIT 1").await;
    assert_eq!(line, format!(r#"{{"line":1,"extra":{{"shelf":"\"A3\""}},"category":"{}"}}"#, event.lines[0].category));
}

#[tokio::test]
async fn a_dead_letter_keeps_its_bytes() {
    let database = TestDatabase::migrated().await;
    let payload: Vec<u8> = (0..=255).collect();
    let event = DeadLetter {
        event_id: "00112233-4455-6677-8899-aabbccddeeff".into(),
        received_at: START,
        source_topic: None,
        source_partition: None,
        source_offset: None,
        request_id: Some("request-1".into()),
        request_index: Some(3),
        target_topic: "receipts".into(),
        key: Some(vec![0xff, 0]),
        content_type: "application/json".into(),
        payload: payload.clone(),
        payload_bytes: 256,
        truncated: false,
        code: "total_mismatch".into(),
        message: "no".into(),
        errors: vec![FieldError { path: "/total_amount".into(), code: "total_mismatch".into(), message: "no".into() }],
        attempt: 1,
    };
    let letter = json(
        &database,
        &event,
        "SELECT hex(payload) AS payload, hex(assumeNotNull(key)) AS key, source_topic, source_offset, request_index, truncated, errors, \
         toString(event_id) AS id FROM {db}.dead_letters",
    )
    .await;
    let hex: String = payload.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(
        unquoted(&letter),
        format!(
            "{{payload:{hex},key:FF00,source_topic:null,source_offset:null,request_index:3,truncated:false,\
             errors:[{{path:/total_amount,code:total_mismatch,message:no}}],id:{}}}",
            event.event_id
        )
    );
}

#[tokio::test]
async fn requests_and_duplicates_are_read_back_as_they_were() {
    let database = TestDatabase::migrated().await;
    let request = json(
        &database,
        &request("request-2"),
        "SELECT request_id, code, http_status, results.status AS statuses, results.offset AS offsets, \
         arrayMap(e -> length(e), results.errors) AS errors FROM {db}.requests",
    )
    .await;
    assert_eq!(
        unquoted(&request),
        r#"{request_id:request-2,code:null,http_status:207,statuses:[accepted,invalid],offsets:[42,null],errors:[0,1]}"#
    );
    let source = Source { topic: "receipts".into(), partition: 1, offset: 9, index: 0, timestamp: START };
    let duplicate = Duplicate {
        event_id: "00112233-4455-6677-8899-aabbccddeeff".into(),
        received_at: START,
        trn_id: "00112233-4455-6677-8899-aabbccddee00".into(),
        source,
        first_offset: 4,
    };
    let shown =
        json(&database, &duplicate, "SELECT source_topic, source_offset, first_offset FROM {db}.duplicates").await;
    assert_eq!(unquoted(&shown), "{source_topic:receipts,source_offset:9,first_offset:4}");
}

pub fn request(id: &str) -> Request {
    let error = FieldError { path: "/1/amount".into(), code: "negative_amount".into(), message: "no".into() };
    let result = |index, trn_id: Option<&str>, status: &str, offset, errors| ItemResult {
        index,
        trn_id: trn_id.map(str::to_owned),
        status: status.into(),
        partition: Some(0),
        offset,
        errors,
    };
    Request {
        event_id: "00112233-4455-6677-8899-aabbccddeeff".into(),
        request_id: id.into(),
        received_at: START,
        method: "POST".into(),
        path: "/api/v1/transactions".into(),
        client: "127.0.0.1".into(),
        user_agent: None,
        content_type: Some("application/json".into()),
        content_encoding: None,
        body_bytes: 1_024,
        http_status: 207,
        code: None,
        message: None,
        accepted: 1,
        duplicates: 0,
        rejected: 1,
        results: vec![
            result(0, Some("628f5a84-bf58-5573-ad50-0000000000aa"), "accepted", Some(42), vec![]),
            result(1, None, "invalid", None, vec![error]),
        ],
    }
}

/// Without quotes and with plain slashes: which 64-bit numbers and slashes are dressed up is a setting of the server.
fn unquoted(json: &str) -> String {
    json.replace('"', "").replace("\\/", "/")
}
