//! Sending whole files: what arrives, what is counted, what is kept.

use std::io::Write;
use std::path::Path;

use crate::gateway::{Files, Gateway, accept, options, results};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use millrace_loadgen::item::Kind;
use millrace_loadgen::{SendError, SendOptions, send};
use serde_json::{Value, json};

fn answers(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_item_of_every_file_arrives_once() {
    let gateway = Gateway::start(accept).await;
    let files = Files::new();
    let lines = files.receipts(1003, 7);
    let array = files.write(
        "more.json",
        "[{\"place_id\":\"p\",\"transaction_id\":\"a1\"},\n{\"place_id\":\"p\",\"transaction_id\":\"a2\"}]",
    );
    let report = send(SendOptions { files: vec![lines, array], ..options(&gateway, Path::new("")) }).await.unwrap();
    assert_eq!((report.items.read, report.items.accepted, report.items.unsent), (1005, 1005, 0));
    assert_eq!(report.exit_code(), 0);
    let times = gateway.times_received();
    assert_eq!(times.len(), 1005);
    assert!(times.values().all(|times| *times == 1));
    let requests = gateway.received();
    assert_eq!(requests.len(), 12, "ten full, one of the rest, one of the other file");
    assert!(requests.iter().all(|request| request.path == "/api/v1/receipts"));
    assert_eq!(requests.iter().filter(|request| request.content_type == "application/json").count(), 1);
    assert_eq!(report.http_statuses.into_iter().collect::<Vec<_>>(), [(202, 12)]);
    assert!(report.latency_ms.p50 > 0.0 && report.latency_ms.p99 >= report.latency_ms.p50);
}

#[tokio::test]
async fn refusals_are_counted_by_code_and_kept_beside_their_lines() {
    let gateway = Gateway::start(|_| async {
        results(
            207,
            &[
                ("accepted", None),
                ("duplicate", None),
                ("conflict", Some("conflict")),
                ("invalid", Some("negative_price")),
                ("too_large", None),
            ],
        )
    })
    .await;
    let files = Files::new();
    let options = SendOptions {
        answers: Some(files.path("answers.ndjson")),
        answers_with_items: true,
        ..options(&gateway, &files.receipts(5, 5))
    };
    let report = send(options).await.unwrap();
    let items = report.items;
    assert_eq!([items.accepted, items.duplicate, items.conflict, items.invalid, items.too_large], [1; 5]);
    assert_eq!(
        report.error_codes.iter().map(|(code, n)| (code.as_str(), *n)).collect::<Vec<_>>(),
        [("conflict", 1), ("negative_price", 1)]
    );
    assert_eq!(report.exit_code(), 0, "a refusal is an answer");
    let answers = answers(&files.path("answers.ndjson"));
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0]["request_id"], "req");
    assert_eq!(answers[0]["http_status"], 207);
    let refused = &answers[0]["items"][3];
    assert_eq!(refused["lines"], json!([4, 4]));
    assert_eq!(refused["answer"]["errors"][0]["code"], "negative_price");
    assert_eq!(serde_json::from_str::<Value>(refused["sent"].as_str().unwrap()).unwrap()["transaction_id"], "r3");
    assert!(refused["file"].as_str().unwrap().ends_with("receipts.ndjson"));
}

#[tokio::test]
async fn one_at_a_time_each_item_is_a_request_of_its_own() {
    let gateway = Gateway::start(|request| async move {
        let answer = match request.items()[0]["transaction_id"].as_str().unwrap() {
            "r0" => (StatusCode::OK, json!({"trn_id": "t", "trn_status": "Ok"})),
            "r1" => (StatusCode::OK, json!({"trn_id": "t", "duplicate": true})),
            "r2" => (StatusCode::CONFLICT, json!({"code": "conflict"})),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, json!({"errors": [{"path": "/items", "code": "empty"}]})),
        };
        (answer.0, axum::Json(answer.1)).into_response()
    })
    .await;
    let files = Files::new();
    let report = send(SendOptions { batch: 1, ..options(&gateway, &files.receipts(4, 1)) }).await.unwrap();
    let items = report.items;
    assert_eq!([items.accepted, items.duplicate, items.conflict, items.invalid], [1; 4]);
    assert_eq!(report.error_codes["empty"], 1);
    assert!(
        gateway
            .received()
            .iter()
            .all(|request| request.content_type == "application/json" && request.body.starts_with('{'))
    );
}

#[tokio::test]
async fn xml_goes_out_as_xml_and_its_answers_are_read() {
    let gateway = Gateway::start(|request| async move {
        let results: String = (0..request.body.matches("<receipt>").count())
            .map(|index| {
                let status = if index == 1 { "invalid" } else { "accepted" };
                format!("<result><index>{index}</index><status>{status}</status><errors><error><code>c</code></error></errors></result>")
            })
            .collect();
        let body = format!("<response><request_id>r</request_id><results>{results}</results></response>");
        (StatusCode::MULTI_STATUS, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
    })
    .await;
    let files = Files::new();
    let file = files.write(
        "a.xml",
        "<receipts><receipt><place_id>1</place_id></receipt>\n<receipt><place_id>2</place_id></receipt></receipts>",
    );
    let report = send(options(&gateway, &file)).await.unwrap();
    assert_eq!((report.items.accepted, report.items.invalid), (1, 1));
    let request = &gateway.received()[0];
    assert_eq!(request.content_type, "application/xml");
    assert_eq!(
        request.body,
        "<receipts><receipt><place_id>1</place_id></receipt><receipt><place_id>2</place_id></receipt></receipts>"
    );
}

#[tokio::test]
async fn compressed_csv_goes_out_as_the_mapping_says() {
    let gateway = Gateway::start(accept).await;
    let files = Files::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(
        b"invoice_no,stock_code,description,quantity,invoice_date,unit_price,customer_id,country\n\
          536365,85123A,\"HEART, WHITE\",6,2011-06-01 08:26:00,2.55,17850,United Kingdom\n\
          C536366,POST,,-1,2011-12-01 08:28:00,0.001,,EIRE\n\
          536365,71053,LANTERN,6,2011-06-01 08:27:00,3.39,17850,United Kingdom\n",
    )
    .unwrap();
    let file = files.write("retail.csv.gz", gzip.finish().unwrap());
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mappings/online-retail.toml");
    let report = send(SendOptions { kind: None, mapping: Some(mapping), ..options(&gateway, &file) }).await.unwrap();
    assert_eq!(report.items.accepted, 2);
    let expected = [
        r#"{"transaction_id":"C536366","timestamp":"2011-12-01T08:28:00+00:00","place_id":"online-retail-eire","place_name":"Online Retail, EIRE","currency":"GBP","total_amount":-0.001,"payment_method":"unknown","items":[{"product_id":"POST","quantity":-1,"price":0.001,"category":"other"}]}"#,
        r#"{"transaction_id":"536365","timestamp":"2011-06-01T08:26:00+01:00","place_id":"online-retail-united-kingdom","place_name":"Online Retail, United Kingdom","currency":"GBP","total_amount":35.64,"payment_method":"unknown","customer_id":"17850","items":[{"product_id":"85123A","quantity":6,"price":2.55,"category":"range-85","description":"HEART, WHITE"},{"product_id":"71053","quantity":6,"price":3.39,"category":"range-71","description":"LANTERN"}]}"#,
    ];
    assert_eq!(gateway.received()[0].body.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_file_that_breaks_off_is_reported_and_what_came_before_is_sent() {
    let gateway = Gateway::start(accept).await;
    let files = Files::new();
    let file = files.write("a.json", "[{\"transaction_id\":\"1\"},{\"transaction_id\":\"2\"},\n{\"transaction_id\":]");
    let report = send(options(&gateway, &file)).await.unwrap();
    assert_eq!((report.items.read, report.items.accepted), (2, 2));
    assert!(report.stopped.as_ref().unwrap().contains("a.json, line 2"), "{report}");
    assert_eq!(report.exit_code(), 1);
}

#[tokio::test]
async fn what_can_be_known_before_is_said_before_anything_is_sent() {
    let gateway = Gateway::start(accept).await;
    let files = Files::new();
    let file = files.receipts(3, 1);
    let base = options(&gateway, &file);
    let with = |change: &dyn Fn(&mut SendOptions)| {
        let mut options = base.clone();
        change(&mut options);
        options
    };
    let missing = with(&|options| options.files.push("no-such-file.json".into()));
    assert!(matches!(send(missing).await, Err(SendError::File { .. })));
    assert!(matches!(send(with(&|options| options.kind = None)).await, Err(SendError::Kind)));
    assert!(matches!(send(with(&|options| options.files.push("notes.txt".into()))).await, Err(SendError::Format(_))));
    assert!(matches!(send(with(&|options| options.files.push("rows.csv".into()))).await, Err(SendError::Mapping(_))));
    assert!(matches!(send(with(&|options| options.gateway = "ftp://host".parse().ok())).await, Err(SendError::Url(_))));
    assert!(matches!(send(with(&|options| options.gateway = None)).await, Err(SendError::NoGateway)));
    assert!(matches!(
        send(with(&|options| options.answers = Some("/no/such/folder/a".into()))).await,
        Err(SendError::Answers { .. })
    ));
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/mappings/sparkov.toml");
    let mismatch = with(&|options| options.mapping = Some(mapping.clone()));
    assert!(matches!(
        send(mismatch).await,
        Err(SendError::KindMismatch { mapping: Kind::Transactions, asked: Kind::Receipts })
    ));
    assert!(gateway.received().is_empty());
}
