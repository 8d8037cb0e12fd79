//! The OpenAPI document is true to every answer: schemathesis makes requests of it, good and bad, and holds the answers against it.

use millrace_tests::{Deployment, Service, Services, oracle};
use serde_json::{Value as Json, json};
use std::process::Command;
use tokio::task::block_in_place;

/// An interpreter's command that runs schemathesis on a running service.
fn schemathesis(base: &str) -> Command {
    let python = std::env::var_os("MILLRACE_TEST_PYTHON")
        .expect("MILLRACE_TEST_PYTHON is not set; run the tests with `make test`");
    let mut command = Command::new(python);
    let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/schemathesis.toml");
    command.args(["-m", "schemathesis.cli", "--config-file", settings, "run", &format!("{base}/api/openapi.json")]);
    command.args([
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        "15",
        "--seed",
        "7",
        "--no-color",
        "--warnings",
        "off",
    ]);
    // A stream has no end.
    command.args(["--exclude-path", "/api/v1/stream", "--request-timeout", "30", "--generation-database", "none"]);
    // What a schema cannot say, such as that `from` lies before `to`, that a cursor comes from an answer, or that a total is the sum of
    // its lines, is refused although it fits.
    command.args(["--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all"]);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_one_that_the_document_has() {
    let deployment = Deployment::new("contract").await;
    let services = Services::of(&deployment, &["query.analytics.wait_max_ms=100", "query.wait_max_ms=100"]);
    services.start(&Service::ALL);
    let (base, client) = (services.url(Service::Gateway), reqwest::Client::new());
    let document: Json =
        client.get(format!("{base}/api/openapi.json")).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    for (path, schema) in [("transactions", "Transaction"), ("receipts", "Receipt"), ("labels", "Label")] {
        let example = &document["components"]["schemas"][schema]["examples"][0];
        let answer = client.post(format!("{base}/api/v1/{path}")).json(example).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: the document's own example is refused");
    }
    // The predecessor's example, unchanged.
    let check = json!({
        "transaction_id": "check-1", "timestamp": "2026-03-01T12:00:00", "place_id": "shop-1", "place_name": "Shop",
        "items": [
            {"product_id": "a", "quantity": 2, "price": 10.99, "category": "groceries"},
            {"product_id": "b", "quantity": 1, "price": 5.49, "category": "electronics"},
        ],
        "total_amount": 27.47, "nds_amount": 2.47, "tips_amount": 3.00, "payment_method": "credit_card",
    });
    let answer = client.post(format!("{base}/api/producer/checks/")).json(&check).send().await.expect("an answer");
    assert_eq!(answer.status(), 201);
    oracle::queryable(&deployment).await;
    let output = block_in_place(|| schemathesis(&base).output()).expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));

    // Swagger UI comes from the program, and reads the document that was checked.
    for (path, part) in [
        ("/apidocs/", "swagger-ui"),
        ("/apidocs/swagger-initializer.js", "/api/openapi.json"),
        ("/api/consumer/swagger/", "swagger-ui"),
        ("/api/producer/swagger", "swagger-ui"),
    ] {
        let answer = client.get(format!("{base}{path}")).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.text().await.expect("a text").contains(part), "{path}");
    }
}
