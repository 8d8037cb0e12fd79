//! What this process answers, as an OpenAPI 3.1 document, and Swagger UI for whoever reads it in a browser.
//!
//! The gateway says what it takes and answers; further routes bring their own part. Parts are documents of which only `paths`, `tags` and
//! `components` are looked at.

mod answers;
mod inputs;
mod paths;
mod swagger;

pub(crate) use swagger::page;

use serde_json::{Map, Value as Json, json};

/// The gateway's part.
fn own() -> Json {
    let mut schemas = inputs::schemas();
    schemas.extend(answers::schemas());
    json!({
        "tags": [
            {"name": "ingest", "description": "Taking in transactions, receipts and labels."},
            {"name": "service", "description": "Health, metrics and this document."},
        ],
        "paths": paths::paths(),
        "components": {"schemas": schemas},
    })
}

/// The whole document.
pub(crate) fn document(parts: &[Json]) -> Json {
    let own = own();
    let mut tags = Vec::new();
    let mut paths = Map::new();
    let mut components: Map<String, Json> = Map::new();
    for part in std::iter::once(&own).chain(parts) {
        tags.extend(part["tags"].as_array().into_iter().flatten().cloned());
        paths.extend(members(&part["paths"]));
        for (kind, named) in members(&part["components"]) {
            let all = components.entry(kind).or_insert_with(|| json!({}));
            if let Some(all) = all.as_object_mut() {
                all.extend(members(&named));
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Millrace",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Takes in financial transactions and purchase receipts, decides each once, and answers questions about them. \
                            Money is a decimal number with up to 4 digits, never a binary fraction: read it as a decimal.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": components,
    })
}

fn members(value: &Json) -> Map<String, Json> {
    value.as_object().cloned().unwrap_or_default()
}

/// A reference to a schema.
fn reference(name: &str) -> Json {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn references(value: &Json, found: &mut BTreeSet<String>) {
        match value {
            Json::Object(members) => {
                for (name, value) in members {
                    match value.as_str().filter(|_| name == "$ref") {
                        Some(reference) => {
                            found.insert(reference.to_owned());
                        }
                        None => references(value, found),
                    }
                }
            }
            Json::Array(entries) => entries.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = document(&[]);
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let schemas: BTreeSet<String> = members(&document["components"]["schemas"])
            .keys()
            .map(|name| format!("#/components/schemas/{name}"))
            .collect();
        assert_eq!(found, schemas);
    }

    #[test]
    fn parts_are_put_together() {
        let part = json!({"paths": {"/x": {}}, "components": {"schemas": {"X": {}}}, "tags": [{"name": "x"}]});
        let document = document(&[part]);
        assert!(document["paths"]["/x"].is_object() && document["paths"]["/api/v1/receipts"].is_object());
        assert!(
            document["components"]["schemas"]["X"].is_object()
                && document["components"]["schemas"]["Problem"].is_object()
        );
    }
}
