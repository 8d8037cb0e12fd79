use super::*;
use crate::again::{Refused, take};
use millrace_runtime::clock::RandomIds;
use millrace_schemas::{Topic, rules::Rules};
use std::collections::BTreeSet;

/// 2026-11-20T12:00:00Z.
const NOW: i64 = 1_795_176_000_000;

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = document(&GatewayConfig::default(), &[]);
    let text = document.to_string();
    let references = text.split("\"$ref\":\"#/components/schemas/").skip(1);
    let found: BTreeSet<&str> = references.filter_map(|rest| rest.split('"').next()).collect();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    assert_eq!(found, schemas.keys().map(String::as_str).collect());
}

#[test]
fn parts_are_put_together() {
    let part = json!({"paths": {"/x": {}}, "components": {"schemas": {"X": {}}}, "tags": [{"name": "x"}]});
    let document = document(&GatewayConfig::default(), &[part]);
    assert!(document["paths"]["/x"].is_object() && document["paths"]["/api/v1/receipts"].is_object());
    assert!(
        document["components"]["schemas"]["X"].is_object() && document["components"]["schemas"]["Problem"].is_object()
    );
}

/// Paths of what the parser and the rules refuse of an item.
fn refused(topic: Topic, item: &Json) -> Vec<String> {
    let text = item.to_string();
    match take(
        &GatewayConfig::default(),
        &Rules::default(),
        &RandomIds,
        topic,
        "application/json",
        text.as_bytes(),
        NOW,
    ) {
        Ok(_) => Vec::new(),
        Err(Refused::Invalid(errors)) => errors.into_iter().map(|error| error.path).collect(),
        Err(other) => panic!("{other}"),
    }
}

/// Values at the limits that a schema names, and whether it has them.
fn edges(schema: &Json, entry: &Json) -> Vec<(Json, bool)> {
    let limit = |name: &str| schema[name].as_i64();
    let text = |length: i64| json!("x".repeat(length as usize));
    let list = |length: i64| json!(vec![entry; length as usize]);
    let mut edges = Vec::new();
    for (name, past) in [("minimum", -1), ("maximum", 1)] {
        edges.extend(limit(name).into_iter().flat_map(|limit| [(json!(limit), true), (json!(limit + past), false)]));
    }
    for (name, past) in [("minLength", -1), ("maxLength", 1)] {
        edges.extend(limit(name).into_iter().flat_map(|limit| [(text(limit), true), (text(limit + past), false)]));
    }
    for (name, past) in [("minItems", -1), ("maxItems", 1)] {
        edges.extend(limit(name).into_iter().flat_map(|limit| [(list(limit), true), (list(limit + past), false)]));
    }
    edges
}

#[test]
fn what_is_taken_in_is_what_the_document_says() {
    let document = document(&GatewayConfig::default(), &[]);
    let schemas = &document["components"]["schemas"];
    for (name, topic) in [("Transaction", Topic::Transactions), ("Receipt", Topic::Receipts), ("Label", Topic::Labels)]
    {
        let (schema, example) = (&schemas[name], &schemas[name]["examples"][0]);
        assert_eq!(refused(topic, example), [""; 0], "{name}: its own example");
        let required = schema["required"].as_array().expect("names");
        for (field, schema) in members(&schema["properties"]) {
            let path = format!("/{field}");
            let is_refused = |value: &Json| {
                let mut item = example.clone();
                item[&field] = value.clone();
                refused(topic, &item).contains(&path)
            };
            assert!(is_refused(&json!({"no": "value"})), "{name}: {field} is not read");
            assert_eq!(is_refused(&Json::Null), required.contains(&json!(field)), "{name}: {field} left out");
            let entry = example[&field].get(0).cloned().unwrap_or_else(|| json!("x"));
            let mut edges = edges(&schema, &entry);
            if field == "amount" {
                edges.push((schemas["Money"]["anyOf"][0]["maximum"].clone(), true));
            }
            // Only a return has an original, however short its id is.
            edges.retain(|(_, fits)| !fits || field != "original_transaction_id");
            for (value, fits) in edges {
                assert_eq!(is_refused(&value), !fits, "{name}: {field} at a limit");
            }
        }
    }
}
