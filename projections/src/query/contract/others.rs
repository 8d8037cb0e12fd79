//! Routes that answer with one record, and what answers have in common.

use super::{own_writes, parameter, problem, reference};
use serde_json::{Map, Value as Json, json};

/// Paths by name.
pub(super) fn paths() -> Map<String, Json> {
    let id = |name: &str, about: &str| json!({"name": name, "in": "path", "required": true, "description": about, "schema": {"type": "string", "minLength": 1}});
    let wait =
        || parameter("wait_ms", "How long to wait until there is an answer.", json!({"type": "integer", "minimum": 0}));
    let customer =
        || parameter("customer_id", "Whose transaction it is; the id is then your own.", json!({"type": "string"}));
    let of_transaction =
        || json!([id("id", "trn_id, or your own id as long as one customer uses it."), customer(), wait()]);
    let mut together: Vec<Json> = ["from", "to", "interval", "zone"]
        .map(|name| {
            parameter(
                name,
                "As for figures; the whole period is one interval unless another is asked for.",
                json!({"type": "string"}),
            )
        })
        .to_vec();
    together.push(parameter(
        "currency",
        "Only these.",
        json!({"type": "array", "items": {"type": "string"}, "maxItems": 100}),
    ));
    together.extend(own_writes());
    let of_place: Vec<Json> = std::iter::once(id("id", "Place of purchase.")).chain(together.iter().cloned()).collect();
    let all = json!({
        "/api/v1/places/{id}": {"get": figures("getPlace", "Everything of one place", json!(of_place), "Place", true)},
        "/api/consumer/analytics/": {"get": figures(
            "getConsumerAnalytics", "Places, taxes and tips, and categories over a period, for clients of the predecessor",
            json!(together), "Overview", false,
        )},
        "/api/v1/transactions/{id}": {"get": record(
            "getTransaction", "A transaction as stored, what was decided and what it turned out to be", of_transaction(), "StoredTransaction",
        )},
        "/api/v1/transactions/{id}/score": {"get": record(
            "getScore", "Everything of a transaction's score", of_transaction(), "Score",
        )},
        "/api/v1/requests/{request_id}": {"get": record(
            "getRequest", "What became of each item of a request", json!([id("request_id", "The answer's x-request-id."), wait()]), "RequestOutcome",
        )},
        "/api/v1/customers/{id}/statistics": {"get": record(
            "getStatistics", "What a customer did in the 3, 6, 12 and 24 hours up to an instant",
            json!([id("id", "Customer."), parameter("at", "End of the windows; the latest transaction where it is left open.", json!({"type": "string"}))]),
            "Statistics",
        )},
        "/api/v1/reconciliation": {"get": {
            "operationId": "getReconciliation", "tags": ["records"], "summary": "What is proven of the tables, and every difference",
            "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": reference("Proof")}}}, "503": problem("Not now.")},
        }},
        "/reports/live": {"get": {
            "operationId": "getLive", "tags": ["figures"], "summary": "How the pipeline is doing now, as the page /reports shows it",
            "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": reference("Live")}}}},
        }},
        "/api/v1/stream": {"get": {
            "operationId": "getStream", "tags": ["records"], "summary": "Scores as they are made, as server-sent events",
            "parameters": [
                parameter("decision", "Only these, with commas between.", json!({"type": "string"})),
                parameter("customer_id", "Only this one.", json!({"type": "string"})),
                parameter("last_event_id", "Go on behind this event; as the header Last-Event-ID.", json!({"type": "string"})),
            ],
            "responses": {
                "200": {"description": "Events score and alert, each with a Score.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
                "400": problem("A parameter is wrong."), "410": problem("What followed this position is gone."), "503": problem("Not now."),
            },
        }},
    });
    all.as_object().cloned().unwrap_or_default()
}

fn record(id: &str, summary: &str, parameters: Json, schema: &str) -> Json {
    json!({
        "operationId": id, "tags": ["records"], "summary": summary, "parameters": parameters,
        "responses": {
            "200": {"description": "It.", "content": {"application/json": {"schema": reference(schema)}}},
            "400": problem("A parameter is wrong."), "404": problem("It is not known."),
            "409": problem("Several customers use this id."), "503": problem("Not now."),
        },
    })
}

fn figures(id: &str, summary: &str, parameters: Json, schema: &str, one: bool) -> Json {
    let mut responses = json!({
        "200": {"description": "It.", "content": {"application/json": {"schema": reference(schema)}}},
        "400": problem("A parameter is wrong."), "412": problem("The tables do not hold min_offset yet."),
        "422": problem("More than one answer may take."), "503": problem("Not now."),
    });
    if one {
        responses["404"] = problem("It is not known.");
    }
    json!({"operationId": id, "tags": ["figures"], "summary": summary, "parameters": parameters, "responses": responses})
}

/// Schemas by name.
pub(super) fn schemas() -> Map<String, Json> {
    let time = || json!({"type": "string", "format": "date-time"});
    let rows = |name: &str| json!({"type": "array", "items": reference(name)});
    let position = json!({
        "type": "object", "required": ["partition", "offset"],
        "properties": {"topic": {"type": "string"}, "partition": {"type": "integer"}, "offset": {"type": "integer"}},
    });
    let all = json!({
        "QuestionProblem": {
            "type": "object", "description": "Why a question is not answered: RFC 9457.",
            "required": ["type", "title", "status", "detail", "code", "request_id", "timestamp", "trn_status"],
            "properties": {
                "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"},
                "code": {"type": "string"}, "request_id": {"type": "string"}, "timestamp": {"type": "string"}, "trn_status": {"const": "Error"},
            },
        },
        "Period": {
            "type": "object", "description": "The stretch of time that figures are of.", "required": ["from", "to", "zone", "chosen_by"],
            "properties": {
                "from": time(), "to": time(), "zone": {"type": "string"}, "interval": {"type": "string"},
                "chosen_by": {"type": "string", "enum": ["parameters", "latest_data"]},
            },
        },
        "AsOf": {
            "type": "object", "description": "What the tables held when they were asked.", "required": ["at", "sources", "lag"],
            "properties": {
                "at": time(),
                "sources": {"type": "array", "items": {
                    "type": "object", "required": ["topic", "offsets", "latest_at"],
                    "properties": {
                        "topic": {"type": "string"},
                        "offsets": {"type": "object", "additionalProperties": {"type": "integer"}, "description": "Offset of the last record that has a row, by partition."},
                        "latest_at": {"type": ["string", "null"], "format": "date-time"},
                    },
                }},
                "lag": {
                    "type": ["object", "null"], "description": "Records on their way to the tables; null before it is measured.",
                    "required": ["records", "measured_at"], "properties": {"records": {"type": "integer"}, "measured_at": time()},
                },
            },
        },
        "Place": {
            "type": "object", "required": ["as_of", "place", "names", "figures"],
            "properties": {
                "period": reference("Period"), "as_of": reference("AsOf"), "place": reference("PlaceDirectoryRow"),
                "names": rows("PlaceNamesRow"), "figures": rows("PlaceFiguresRow"),
            },
        },
        "Overview": {
            "type": "object", "required": ["as_of", "places", "taxes_and_tips", "categories"],
            "properties": {
                "period": reference("Period"), "as_of": reference("AsOf"), "places": rows("PlaceFiguresRow"),
                "taxes_and_tips": rows("TaxTipFiguresRow"), "categories": rows("CategoryFiguresRow"),
            },
        },
        "StoredTransaction": {
            "type": "object", "required": ["trn_id", "customer_id", "transaction_id", "occurred_at", "amount", "currency", "is_fraud", "score", "labels"],
            "properties": {
                "trn_id": {"type": "string"}, "customer_id": {"type": "string"}, "transaction_id": {"type": "string"},
                "occurred_at": time(), "received_at": time(), "amount": {"type": "number"}, "currency": {"type": "string"},
                "is_fraud": {"type": "boolean"}, "score": {"type": "object", "required": ["scoring", "decision", "decision_source", "reasons"]},
                "labels": {"type": "array", "items": {"type": "object", "required": ["label_id", "label", "source", "decided_at"]}},
            },
        },
        "Score": {
            "type": "object",
            "required": ["trn_id", "customer_id", "transaction_id", "occurred_at", "scoring", "is_fraud", "decision", "decision_source", "reasons", "features", "journal", "record"],
            "properties": {
                "trn_id": {"type": "string"}, "occurred_at": time(), "scoring": {"type": "number"},
                "is_fraud": {"type": "boolean"}, "decision": {"type": "string", "enum": ["allow", "review", "block"]},
                "decision_source": {"type": "string", "enum": ["model", "rules", "default"]},
                "features": {"type": "object", "additionalProperties": {"type": "number"}}, "journal": position, "record": position,
            },
        },
        "RequestOutcome": {
            "type": "object", "required": ["request_id", "final", "items"],
            "properties": {
                "request_id": {"type": "string"}, "final": {"type": "boolean"},
                "items": {"type": "array", "items": {
                    "type": "object", "required": ["outcome", "final"],
                    "properties": {
                        "outcome": {"type": "string", "enum": ["scored", "purchase", "labelled", "duplicate", "conflict", "invalid", "too_large", "pending"]},
                        "final": {"type": "boolean"}, "journal": position,
                    },
                }},
            },
        },
        "Statistics": {
            "type": "object", "required": ["customer_id", "at", "at_from", "latest_transaction_at", "windows"],
            "properties": {
                "customer_id": {"type": "string"}, "at": time(), "at_from": {"type": "string", "enum": ["parameter", "latest_transaction"]},
                "latest_transaction_at": time(),
                "windows": {"type": "array", "items": {
                    "type": "object", "required": ["hours", "after", "transactions", "currencies"],
                    "properties": {
                        "hours": {"type": "integer"}, "after": time(), "transactions": {"type": "integer"},
                        "currencies": {"type": "object", "additionalProperties": {
                            "type": "object", "required": ["transactions", "amount", "mean_amount"],
                            "properties": {"transactions": {"type": "integer"}, "amount": {"type": "number"}, "mean_amount": {"type": "number"}},
                        }},
                    },
                }},
            },
        },
        "Live": {
            "type": "object", "required": ["at", "events_per_second", "lag_records", "oldest_unfinished_seconds", "problem"],
            "description": "The log is asked once a second at most, for all who look.",
            "properties": {
                "at": time(),
                "events_per_second": {"type": ["number", "null"], "description": "Transactions and receipts that came in, over the last ten seconds; null before it was looked twice."},
                "lag_records": {"type": ["integer", "null"], "description": "Records that are not decided, or decided and not in the tables; null when it cannot be told."},
                "oldest_unfinished_seconds": {"type": ["number", "null"], "description": "How long ago the broker took the oldest of them; 0 when there is none, null when it cannot be told."},
                "problem": {"type": ["string", "null"], "description": "Why something cannot be told."},
            },
        },
        "Proof": {
            "type": "object", "required": ["proven", "differences", "partitions"],
            "properties": {
                "proven": {"type": "boolean"}, "differences": {"type": "integer"}, "checked_at": {"type": ["string", "null"]},
                "partitions": {"type": "array", "items": {"type": "object", "required": ["topic", "partition", "verified_through"]}},
            },
        },
    });
    all.as_object().cloned().unwrap_or_default()
}
