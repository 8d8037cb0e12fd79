//! What this process answers, as an OpenAPI 3.1 document, and Swagger UI for whoever reads it in a browser.
//!
//! The gateway says what it takes and answers; further routes bring their own part. Parts are documents of which only `paths`, `tags` and
//! `components` are looked at.

mod paths;
mod swagger;

pub(crate) use swagger::page;

use crate::config::GatewayConfig;
use millrace_schemas::contract::Schemas;
use serde_json::{Map, Value as Json, json};

/// The gateway's part.
fn own(config: &GatewayConfig) -> Json {
    let mut schemas = Schemas::default();
    let paths = paths::paths(config, &mut schemas);
    json!({
        "tags": [
            {"name": "ingest", "description": "Taking in transactions, receipts and labels."},
            {"name": "service", "description": "Health, metrics and this document."},
        ],
        "paths": paths,
        "components": {"schemas": schemas.finish()},
    })
}

/// The whole document.
pub(crate) fn document(config: &GatewayConfig, parts: &[Json]) -> Json {
    let own = own(config);
    let mut tags = Vec::new();
    let mut paths = Map::new();
    let mut components: Map<String, Json> = Map::new();
    for part in std::iter::once(&own).chain(parts) {
        tags.extend(part["tags"].as_array().into_iter().flatten().cloned());
        paths.extend(members(&part["paths"]));
        for (kind, named) in members(&part["components"]) {
            let all = components.entry(kind).or_insert_with(|| json!({}));
            if let Some(all) = all.as_object_mut() {
                for (name, definition) in members(&named) {
                    let known = all.insert(name, definition.clone());
                    debug_assert!(known.is_none_or(|known| known == definition), "a name for two things");
                }
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

#[cfg(test)]
mod tests;
