//! The gateway's paths.

use super::reference;
use serde_json::{Map, Value as Json, json};

/// Paths by name.
pub(super) fn paths() -> Map<String, Json> {
    let mut paths = Map::new();
    let mut put = |path: &str, methods: Json| paths.insert(path.to_owned(), methods);
    put("/api/v1/transactions", json!({"post": transactions()}));
    let stored = json!({"202": answer("Stored; each item says whether.", several("ItemAnswer")), "207": batch("Some are stored.")});
    put("/api/v1/receipts", json!({"post": intake("postReceipts", "Take in receipts", "Receipt", &stored)}));
    put("/api/v1/labels", json!({"post": intake("postLabels", "Take in labels", "Label", &stored)}));
    let created = json!({
        "201": answer("Stored.", reference("StoredReceipt")),
        "202": batch("A batch is stored."),
        "207": batch("Some are stored."),
    });
    put(
        "/api/producer/checks",
        json!({"post": intake("postChecks", "Take in a receipt, as the predecessor did", "Receipt", &created)}),
    );
    put("/", json!({"get": plain("getGreeting", "Greeting", "A greeting.", "message")}));
    put("/health", json!({"get": plain("getHealth", "Health", "The process runs.", "status")}));
    put("/health/live", json!({"get": plain("getLive", "Liveness", "The process runs.", "status")}));
    let mut ready = plain("getReady", "Readiness", "Events can be acknowledged.", "status");
    ready["responses"]["503"] = answer("They cannot.", json!({"type": "object", "required": ["status"]}));
    put("/health/ready", json!({"get": ready}));
    put(
        "/metrics",
        json!({"get": {
            "operationId": "getMetrics", "tags": ["service"], "summary": "Metrics, as Prometheus reads them",
            "responses": {"200": {"description": "Metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
        }}),
    );
    put(
        "/api/openapi.json",
        json!({"get": {
            "operationId": "getContract", "tags": ["service"], "summary": "This document",
            "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object"}}}}},
        }}),
    );
    paths
}

fn transactions() -> Json {
    let scored = json!({
        "200": answer("One transaction, with its score.", reference("ScoreAnswer")),
        "202": answer("Stored; each item says whether.", several("ItemAnswer")),
        "207": batch("Some are stored."),
    });
    let mut intake = intake(
        "postTransactions",
        "Take in transactions; a single one is answered with its score",
        "Transaction",
        &scored,
    );
    intake["parameters"] = json!([
        {
            "name": "timeout_ms", "in": "query", "description": "How long to wait for the score.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 200},
        },
        {
            "name": "Prefer", "in": "header", "description": "respond-async: do not wait for the score.",
            "schema": {"type": "string", "examples": ["respond-async"]},
        },
    ]);
    intake
}

/// What all intakes have in common.
fn intake(id: &str, summary: &str, schema: &str, stored: &Json) -> Json {
    let one_or_several =
        json!({"anyOf": [reference(schema), {"type": "array", "minItems": 1, "items": reference(schema)}]});
    let mut responses = stored.as_object().cloned().unwrap_or_default();
    for (status, about) in [
        ("400", "The body or a parameter cannot be read."),
        ("408", "The body did not come in time."),
        ("409", "The id was taken before, with other content."),
        ("413", "Too large."),
        ("415", "Another media type, charset or encoding than is taken."),
    ] {
        responses.insert(status.to_owned(), problem(about));
    }
    let or_batch = |about: &str| {
        let mut response = problem(about);
        response["content"]["application/json"] = json!({"schema": reference("BatchAnswer")});
        response["content"]["application/xml"] = json!({"schema": {}});
        response
    };
    responses.insert("422".into(), or_batch("Nothing of it is valid; each error has its field."));
    responses.insert("503".into(), or_batch("Not acknowledged: it may be stored or not. Try again with the same ids."));
    json!({
        "operationId": id,
        "tags": ["ingest"],
        "summary": summary,
        "description": "One object or several: a JSON array, NDJSON, or XML with elements named like the fields. Bodies may be packed with \
                        gzip or zstd. Stored means acknowledged by the log; a retry with the same id takes no second effect.",
        "requestBody": {
            "required": true,
            "content": {
                "application/json": {"schema": one_or_several},
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/xml": {"schema": {}},
            },
        },
        "responses": responses,
    })
}

fn several(one: &str) -> Json {
    json!({"anyOf": [reference(one), reference("BatchAnswer")]})
}

/// An answer in JSON, or in XML where that was sent.
fn answer(about: &str, schema: Json) -> Json {
    json!({"description": about, "content": {"application/json": {"schema": schema}, "application/xml": {"schema": {}}}})
}

fn batch(about: &str) -> Json {
    answer(about, reference("BatchAnswer"))
}

fn problem(about: &str) -> Json {
    json!({
        "description": about,
        "content": {"application/problem+json": {"schema": reference("Problem")}, "application/problem+xml": {"schema": {}}},
    })
}

fn plain(id: &str, summary: &str, about: &str, field: &str) -> Json {
    json!({
        "operationId": id,
        "tags": ["service"],
        "summary": summary,
        "responses": {"200": {"description": about, "content": {"application/json": {"schema": {
            "type": "object", "required": [field], "properties": {field: {"type": "string"}},
        }}}}},
    })
}
