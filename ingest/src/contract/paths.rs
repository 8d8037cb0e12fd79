//! The gateway's paths.

use crate::{
    answer::{BatchAnswer, ItemAnswer, ScoreAnswer, StoredReceipt},
    config::GatewayConfig,
    patience,
};
use millrace_schemas::{
    contract::{Problem, Schemas},
    event::{Label, Receipt, Transaction},
};
use schemars::JsonSchema;
use serde_json::{Map, Value as Json, json};

/// Paths by name.
pub(super) fn paths(config: &GatewayConfig, schemas: &mut Schemas) -> Map<String, Json> {
    let mut intakes = Intakes { config, schemas };
    let mut paths = Map::new();
    let mut put = |path: &str, methods: Json| paths.insert(path.to_owned(), methods);
    put("/api/v1/transactions", json!({"post": intakes.transactions()}));
    put("/api/v1/receipts", json!({"post": intakes.stored::<Receipt>("postReceipts", "Take in receipts")}));
    put("/api/v1/labels", json!({"post": intakes.stored::<Label>("postLabels", "Take in labels")}));
    put("/api/producer/checks", json!({"post": intakes.checks()}));
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

/// The paths that take events in.
struct Intakes<'a> {
    config: &'a GatewayConfig,
    schemas: &'a mut Schemas,
}

impl Intakes<'_> {
    fn transactions(&mut self) -> Json {
        let scored = json!({
            "200": answer("One transaction, with its score.", self.schemas.told::<ScoreAnswer<'_>>()),
            "202": self.one_or_batch("Stored; each item says whether."),
            "207": self.batch("Some are stored."),
        });
        let summary = "Take in transactions; a single one is answered with its score";
        let mut intake = self.intake::<Transaction>("postTransactions", summary, scored);
        let mut parameters = self.schemas.parameters::<patience::Parameters>();
        for parameter in &mut parameters {
            parameter["schema"]["minimum"] = json!(1);
            parameter["schema"]["maximum"] = json!(self.config.score_timeout_max_ms);
            parameter["schema"]["default"] = json!(self.config.score_timeout_ms);
        }
        parameters.push(json!({
            "name": "Prefer", "in": "header", "description": "respond-async: do not wait for the score.",
            "schema": {"type": "string", "examples": ["respond-async"]},
        }));
        intake["parameters"] = json!(parameters);
        intake
    }

    fn stored<T: JsonSchema>(&mut self, id: &str, summary: &str) -> Json {
        let stored =
            json!({"202": self.one_or_batch("Stored; each item says whether."), "207": self.batch("Some are stored.")});
        self.intake::<T>(id, summary, stored)
    }

    fn checks(&mut self) -> Json {
        let created = json!({
            "201": answer("Stored.", self.schemas.told::<StoredReceipt<'_>>()),
            "202": self.batch("A batch is stored."),
            "207": self.batch("Some are stored."),
        });
        self.intake::<Receipt>("postChecks", "Take in a receipt, as the predecessor did", created)
    }

    /// What all intakes have in common.
    fn intake<T: JsonSchema>(&mut self, id: &str, summary: &str, mut responses: Json) -> Json {
        let schema = self.schemas.sent::<T>();
        let several = json!({"type": "array", "minItems": 1, "maxItems": self.config.items_max, "items": schema});
        for (status, about) in [
            ("400", "The body or a parameter cannot be read."),
            ("408", "The body did not come in time."),
            ("409", "The id was taken before, with other content."),
            ("413", "Too large."),
            ("415", "Another media type, charset or encoding than is taken."),
        ] {
            responses[status] = self.problem(about);
        }
        responses["422"] = self.problem_or_batch("Nothing of it is valid; each error has its field.");
        responses["503"] =
            self.problem_or_batch("Not acknowledged: it may be stored or not. Try again with the same ids.");
        json!({
            "operationId": id,
            "tags": ["ingest"],
            "summary": summary,
            "description": "One object or several: a JSON array, NDJSON, or XML with elements named like the fields. Bodies may be packed \
                            with gzip or zstd. Stored means acknowledged by the log; a retry with the same id takes no second effect.",
            "requestBody": {
                "required": true,
                "content": {
                    "application/json": {"schema": {"anyOf": [schema, several]}},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                    "application/xml": {"schema": {}},
                },
            },
            "responses": responses,
        })
    }

    fn one_or_batch(&mut self, about: &str) -> Json {
        let either = [self.schemas.told::<ItemAnswer<'_>>(), self.schemas.told::<BatchAnswer<'_>>()];
        answer(about, json!({"anyOf": either}))
    }

    fn batch(&mut self, about: &str) -> Json {
        answer(about, self.schemas.told::<BatchAnswer<'_>>())
    }

    fn problem(&mut self, about: &str) -> Json {
        let schema = self.schemas.told::<Problem<'_>>();
        json!({
            "description": about,
            "content": {"application/problem+json": {"schema": schema}, "application/problem+xml": {"schema": {}}},
        })
    }

    fn problem_or_batch(&mut self, about: &str) -> Json {
        let mut response = self.problem(about);
        response["content"]["application/json"] = json!({"schema": self.schemas.told::<BatchAnswer<'_>>()});
        response["content"]["application/xml"] = json!({"schema": {}});
        response
    }
}

/// An answer in JSON, or in XML where that was sent.
fn answer(about: &str, schema: Json) -> Json {
    json!({"description": about, "content": {"application/json": {"schema": schema}, "application/xml": {"schema": {}}}})
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
