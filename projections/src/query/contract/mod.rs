//! What these routes answer, as a part of an OpenAPI document: rows of figures from the columns that statements are made of, all else
//! from the types that are answered.

mod others;

use super::analytics::{
    Column, FORMATS, Page, Resource, Takes,
    parameters::{CARDS, CARDS_DEFAULT, FILTER_VALUES_MAX, POSITIONS_MAX},
    resource,
};
use millrace_schemas::contract::{Problem, Schemas};
use serde_json::{Map, Value as Json, json};

/// The part.
pub fn contract() -> Json {
    let mut schemas = Schemas::default();
    let mut paths = others::paths(&mut schemas);
    for (path, id, summary, variants) in [
        ("/api/v1/places", "getPlaces", resource::DIRECTORY.title, &[("", &resource::DIRECTORY)][..]),
        ("/api/v1/analytics/places", "getPlaceFigures", resource::PLACES.title, &[("", &resource::PLACES)]),
        (
            "/api/v1/analytics/categories",
            "getCategoryFigures",
            resource::CATEGORIES.title,
            &[("", &resource::CATEGORIES)],
        ),
        (
            "/api/v1/analytics/taxes-and-tips",
            "getTaxesAndTips",
            resource::TAXES_AND_TIPS.title,
            resource::TAXES_AND_TIPS_BY,
        ),
        ("/api/v1/analytics/load", "getLoad", resource::LOAD.title, &[("", &resource::LOAD)]),
        (
            "/api/v1/analytics/transactions",
            "getTransactionFigures",
            resource::TRANSACTIONS.title,
            &[("", &resource::TRANSACTIONS)],
        ),
        (
            "/api/v1/analytics/customers/{id}",
            "getCustomerFigures",
            resource::CUSTOMER.title,
            &[("", &resource::CUSTOMER)],
        ),
        ("/api/v1/analytics/model", "getModelFigures", "How well scores tell fraud, by section", resource::SECTIONS),
        (
            "/api/consumer/places/",
            "getConsumerPlaces",
            "As /api/v1/places, for clients of the predecessor",
            &[("", &resource::DIRECTORY)],
        ),
    ] {
        paths.insert(path.to_owned(), json!({"get": figures(&mut schemas, path, id, summary, variants)}));
    }
    let mut schemas = schemas.finish();
    schemas.extend(resource::ALL.map(|of| (of.schema_name(), of.schema())));
    json!({
        "tags": [
            {"name": "figures", "description": "Figures from rollups: always current, exact, by currency."},
            {"name": "records", "description": "Single transactions, requests and customers; scores as they are made."},
        ],
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

fn figures(schemas: &mut Schemas, path: &str, id: &str, summary: &str, variants: &[(&str, &'static Resource)]) -> Json {
    let first = variants[0].1;
    let rows: Vec<Json> = variants.iter().map(|(_, resource)| resource.reference()).collect();
    let mut page = schemas.told_inline::<Page>();
    page["properties"]["rows"]["items"] = json!({"anyOf": rows});
    let content: Map<String, Json> = FORMATS
        .into_iter()
        .map(|format| {
            (format.media_type().to_owned(), json!({"schema": if format.is_page() { page.clone() } else { json!({}) }}))
        })
        .collect();
    let mut parameters = Vec::new();
    if path.contains("{id}") {
        parameters
            .push(json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}));
    }
    if variants.len() > 1 {
        let names: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
        let name = if first.name == "model" { "section" } else { "by" };
        parameters.push(parameter(
            name,
            "What rows are of.",
            json!({"type": "string", "enum": names, "default": names[0]}),
        ));
    }
    parameters.extend(parameters_of(variants));
    let mut responses = json!({
        "200": {"description": "Rows.", "content": content, "headers": headers()},
        "400": problem(schemas, "A parameter is wrong; the detail says which, and what it may be."),
        "406": problem(schemas, "None of the formats that are wanted is to be had."),
        "412": problem(schemas, "The tables do not hold min_offset yet."),
        "422": problem(schemas, "The question takes more rows, memory or time than one may."),
        "503": problem(schemas, "Too many questions at a time, or the tables cannot be read now."),
    });
    if path.contains("{id}") {
        responses["404"] = problem(schemas, "Nothing of this id is known.");
    }
    json!({"operationId": id, "tags": ["figures"], "summary": summary, "parameters": parameters, "responses": responses})
}

/// Parameters of any of the variants.
fn parameters_of(variants: &[(&str, &'static Resource)]) -> Vec<Json> {
    let any = |test: fn(Takes) -> bool| variants.iter().any(|(_, resource)| test(resource.takes));
    let mut parameters = Vec::new();
    if any(Takes::period) {
        let about = "a date, or a date and time on a quarter of an hour; without an offset by the clock of zone. Left open, the latest 30 \
                     days that have data are taken, and said in the answer.";
        parameters.push(parameter("from", &format!("Begin: {about}"), json!({"type": "string"})));
        parameters.push(parameter("to", &format!("End, excluded: {about}"), json!({"type": "string"})));
    }
    if any(Takes::interval) {
        let about = "How the period is cut: a multiple of 15 minutes up to a day (15m, 6h), day, week, month, or all.";
        let pattern = if any(|takes| takes == Takes::Days) {
            "^(day|1d|24h|1440m|week|1w|month|all)$"
        } else {
            "^([1-9][0-9]{0,3}[mh]|day|1d|week|1w|month|all)$"
        };
        parameters.push(parameter("interval", about, json!({"type": "string", "pattern": pattern, "default": "day"})));
    }
    if any(Takes::zone) {
        let about = "Name of the IANA time zone by whose clock intervals begin.";
        parameters.push(parameter(
            "zone",
            about,
            json!({"type": "string", "default": "UTC", "examples": ["Europe/Berlin"]}),
        ));
    }
    if any(|takes| takes == Takes::Cards) {
        let about = "How many customers of a day are looked at, those with the highest scores; with section=cards.";
        parameters.push(parameter(
            "cards",
            about,
            json!({"type": "integer", "minimum": CARDS.start(), "maximum": CARDS.end(), "default": CARDS_DEFAULT}),
        ));
    }
    let mut filters: Vec<&Column> = Vec::new();
    for (_, resource) in variants {
        filters.extend(resource.filters.iter().filter_map(|name| resource.column(name)));
    }
    filters.dedup_by_key(|column| column.name);
    filters.sort_by_key(|column| column.name);
    filters.dedup_by_key(|column| column.name);
    for column in filters {
        let about = format!("Only rows with one of these values: {}", column.about);
        parameters.push(parameter(
            column.name,
            &about,
            json!({"type": "array", "items": {"type": "string"}, "maxItems": FILTER_VALUES_MAX}),
        ));
    }
    let mut orders: Vec<String> = Vec::new();
    for column in variants.iter().flat_map(|(_, resource)| resource.columns).filter(|column| column.orders()) {
        for name in [column.name.to_owned(), format!("-{}", column.name)] {
            if !orders.contains(&name) {
                orders.push(name);
            }
        }
    }
    parameters.push(parameter(
        "sort",
        "Column to order by; with - the largest first.",
        json!({"type": "string", "enum": orders}),
    ));
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 1_000_000});
    parameters.push(parameter(
        "limit",
        "Most rows: of a page up to 10,000, 1,000 when nobody says; of a file up to 1,000,000.",
        limit,
    ));
    parameters.push(parameter("cursor", "next_cursor of the page before.", json!({"type": "string"})));
    let formats: Vec<&str> = FORMATS.into_iter().map(|format| format.name()).collect();
    parameters.push(parameter("format", "Instead of Accept.", json!({"type": "string", "enum": formats})));
    parameters.extend(own_writes());
    parameters
}

/// How a caller waits for what it wrote.
fn own_writes() -> [Json; 2] {
    let about = "A journal record that the figures must hold: partition/offset of the answer to what was sent, such as 0/17; with a topic \
                 before it where figures come from several.";
    [
        parameter(
            "min_offset",
            about,
            json!({"type": "array", "items": {"type": "string"}, "maxItems": POSITIONS_MAX}),
        ),
        parameter(
            "wait_ms",
            "How long to wait for it, at most what is configured.",
            json!({"type": "integer", "minimum": 0, "maximum": 4_294_967_295_u32, "default": 0}),
        ),
    ]
}

fn headers() -> Json {
    let text = |about: &str| json!({"description": about, "schema": {"type": "string"}});
    json!({
        "x-millrace-period": text("The period, its zone and interval, and where it comes from."),
        "x-millrace-as-of": text("The last journal record of each partition that the tables held: topic/partition/offset."),
        "x-millrace-as-of-time": text("When they were asked."),
        "x-millrace-lag-records": text("Records on their way to the tables."),
    })
}

fn parameter(name: &str, about: &str, schema: Json) -> Json {
    json!({"name": name, "in": "query", "description": about, "schema": schema})
}

fn problem(schemas: &mut Schemas, about: &str) -> Json {
    let schema = schemas.told::<Problem<'_>>();
    json!({"description": about, "content": {"application/problem+json": {"schema": schema}}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let part = contract();
        let text = part.to_string();
        let references = text.split("\"$ref\":\"#/components/schemas/").skip(1);
        let found: BTreeSet<&str> = references.filter_map(|rest| rest.split('"').next()).collect();
        let schemas = part["components"]["schemas"].as_object().expect("schemas");
        assert_eq!(found, schemas.keys().map(String::as_str).collect());
    }
}
