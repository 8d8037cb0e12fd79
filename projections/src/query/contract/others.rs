//! Routes that answer with one record, and figures of several parts.

use super::{own_writes, parameter, problem};
use crate::{
    query::{
        analytics::{Overview, Place, parameters::FILTER_VALUES_MAX},
        reconciliation::Proof,
        reports::Now,
        requests::{self, RequestAnswer},
        statistics::{self, StatisticsAnswer},
        stream,
        transactions::{self, TransactionAnswer},
    },
    score::ScoreView,
};
use millrace_schemas::contract::Schemas;
use schemars::JsonSchema;
use serde_json::{Map, Value as Json, json};

/// Paths by name.
pub(super) fn paths(schemas: &mut Schemas) -> Map<String, Json> {
    let mut paths = Map::new();
    let mut put = |path: &str, operation: Json| paths.insert(path.to_owned(), json!({"get": operation}));
    let of_place = path("id", "Place of purchase.", together());
    put("/api/v1/places/{id}", figures::<Place>(schemas, "getPlace", "Everything of one place", of_place, true));
    let summary = "Places, taxes and tips, and categories over a period, for clients of the predecessor";
    put("/api/consumer/analytics/", figures::<Overview>(schemas, "getConsumerAnalytics", summary, together(), false));

    let about = "trn_id, or your own id as long as one customer uses it.";
    let of_transaction = path("id", about, schemas.parameters::<transactions::Parameters>());
    let summary = "A transaction as stored, what was decided and what it turned out to be";
    put(
        "/api/v1/transactions/{id}",
        record::<TransactionAnswer>(schemas, "getTransaction", summary, of_transaction.clone()),
    );
    put(
        "/api/v1/transactions/{id}/score",
        record::<ScoreView>(schemas, "getScore", "Everything of a transaction's score", of_transaction),
    );
    let parameters = path("request_id", "The answer's x-request-id.", schemas.parameters::<requests::Parameters>());
    put(
        "/api/v1/requests/{request_id}",
        record::<RequestAnswer>(schemas, "getRequest", "What became of each item of a request", parameters),
    );
    let summary = "What a customer did in the 3, 6, 12 and 24 hours up to an instant";
    let parameters = path("id", "Customer.", schemas.parameters::<statistics::Parameters>());
    put("/api/v1/customers/{id}/statistics", record::<StatisticsAnswer>(schemas, "getStatistics", summary, parameters));
    put(
        "/api/v1/reconciliation",
        json!({
            "operationId": "getReconciliation", "tags": ["records"], "summary": "What is proven of the tables, and every difference",
            "responses": {"200": answer::<Proof<'_>>(schemas), "503": problem(schemas, "Not now.")},
        }),
    );
    put(
        "/reports/live",
        json!({
            "operationId": "getLive", "tags": ["figures"], "summary": "How the pipeline is doing now, as the page /reports shows it",
            "responses": {"200": answer::<Now>(schemas)},
        }),
    );
    put(
        "/api/v1/stream",
        json!({
            "operationId": "getStream", "tags": ["records"], "summary": "Scores as they are made, as server-sent events",
            "parameters": schemas.parameters::<stream::Parameters>(),
            "responses": {
                "200": {"description": "Events score and alert, each with a Score.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
                "400": problem(schemas, "A parameter is wrong."),
                "410": problem(schemas, "What followed this position is gone."),
                "503": problem(schemas, "Not now."),
            },
        }),
    );
    paths
}

/// Parameters of figures of several parts.
fn together() -> Vec<Json> {
    let about = "As for figures; the whole period is one interval unless another is asked for.";
    let mut all: Vec<Json> =
        ["from", "to", "interval", "zone"].map(|name| parameter(name, about, json!({"type": "string"}))).to_vec();
    let currencies = json!({"type": "array", "items": {"type": "string"}, "maxItems": FILTER_VALUES_MAX});
    all.push(parameter("currency", "Only these.", currencies));
    all.extend(own_writes());
    all
}

/// A parameter of the path, and others.
fn path(name: &str, about: &str, others: Vec<Json>) -> Vec<Json> {
    let of_path = json!({"name": name, "in": "path", "required": true, "description": about, "schema": {"type": "string", "minLength": 1}});
    std::iter::once(of_path).chain(others).collect()
}

fn answer<T: JsonSchema>(schemas: &mut Schemas) -> Json {
    json!({"description": "It.", "content": {"application/json": {"schema": schemas.told::<T>()}}})
}

fn record<T: JsonSchema>(schemas: &mut Schemas, id: &str, summary: &str, parameters: Vec<Json>) -> Json {
    json!({
        "operationId": id, "tags": ["records"], "summary": summary, "parameters": parameters,
        "responses": {
            "200": answer::<T>(schemas),
            "400": problem(schemas, "A parameter is wrong."), "404": problem(schemas, "It is not known."),
            "409": problem(schemas, "Several customers use this id."), "503": problem(schemas, "Not now."),
        },
    })
}

fn figures<T: JsonSchema>(
    schemas: &mut Schemas,
    id: &str,
    summary: &str,
    parameters: Vec<Json>,
    is_of_one: bool,
) -> Json {
    let mut responses = json!({
        "200": answer::<T>(schemas),
        "400": problem(schemas, "A parameter is wrong."),
        "412": problem(schemas, "The tables do not hold min_offset yet."),
        "422": problem(schemas, "More than one answer may take."), "503": problem(schemas, "Not now."),
    });
    if is_of_one {
        responses["404"] = problem(schemas, "It is not known.");
    }
    json!({"operationId": id, "tags": ["figures"], "summary": summary, "parameters": parameters, "responses": responses})
}
