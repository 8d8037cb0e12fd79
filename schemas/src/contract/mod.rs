//! The HTTP contract from the types themselves: schemas of what clients send, of what they are told, and of query parameters.
//!
//! - [`sent`]: kinds of values that clients send, whose limits are those of the rules.
//! - [`told`]: how values of events stand in answers.

mod problem;
pub mod sent;
pub mod told;

pub use problem::Problem;

use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform as _},
};
use serde_json::{Map, Value as Json, json};

/// The schemas of an OpenAPI document, each once; what asks for one gets the reference to it.
pub struct Schemas {
    sent: SchemaGenerator,
    told: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|it| it.definitions_path = "/components/schemas".into());
        let settings = settings.with_transform(RecursiveTransform(list_names));
        let told = settings.clone().for_serialize().with_transform(RecursiveTransform(never_null_if_optional));
        Self { sent: settings.for_deserialize().into_generator(), told: told.into_generator() }
    }
}

impl Schemas {
    /// A type that is read from a request.
    pub fn sent<T: JsonSchema>(&mut self) -> Json {
        self.sent.subschema_for::<T>().to_value()
    }

    /// A type that is written to an answer.
    pub fn told<T: JsonSchema>(&mut self) -> Json {
        self.told.subschema_for::<T>().to_value()
    }

    /// The schema itself of a type that is written to an answer, for what is put into it.
    pub fn told_inline<T: JsonSchema>(&mut self) -> Json {
        let mut schema = T::json_schema(&mut self.told);
        RecursiveTransform(never_null_if_optional).transform(&mut schema);
        schema.to_value()
    }

    /// The query parameters that a type is read from.
    pub fn parameters<T: JsonSchema>(&mut self) -> Vec<Json> {
        let mut schema = T::json_schema(&mut self.sent);
        never_null_if_optional(&mut schema);
        let required = required(&schema);
        let properties = schema.get("properties").and_then(Json::as_object).cloned().unwrap_or_default();
        let parameter = |(name, mut schema): (String, Json)| {
            let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let mut parameter =
                json!({"name": name, "in": "query", "required": required.contains(&name), "schema": schema});
            if let Some(about) = about {
                parameter["description"] = about;
            }
            parameter
        };
        properties.into_iter().map(parameter).collect()
    }

    /// All that were asked for, and what they refer to, by name.
    pub fn finish(mut self) -> Map<String, Json> {
        let mut all = self.sent.take_definitions(true);
        all.extend(self.told.take_definitions(true));
        all
    }
}

/// Names with a meaning each, which few programs that read documents take for an enumeration, as one whose description says the
/// meanings.
fn list_names(schema: &mut Schema) {
    let Some(Json::Array(names)) = schema.get("oneOf") else { return };
    let Some(values) = names.iter().map(|name| name.get("const").cloned()).collect::<Option<Vec<Json>>>() else {
        return;
    };
    let about = [&*schema].into_iter().map(Schema::as_value).chain(names);
    let about: Vec<&str> = about.filter_map(|it| it["description"].as_str()).collect();
    let about = about.join("\n- ");
    schema.remove("oneOf");
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), values.into());
    schema.insert("description".into(), about.into());
}

/// A member that an answer leaves out where there is none is never null, nor can a query string say so.
fn never_null_if_optional(schema: &mut Schema) {
    let required = required(schema);
    let properties = schema.get_mut("properties").and_then(Json::as_object_mut);
    for (_, property) in properties.into_iter().flatten().filter(|(name, _)| !required.contains(*name)) {
        if let Some(property) = property.as_object_mut() {
            never_null(property);
        }
    }
}

fn never_null(property: &mut Map<String, Json>) {
    if let Some(Json::Array(kinds)) = property.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            property.insert("type".into(), kind);
        }
    }
    if let Some(Json::Array(mut any)) = property.remove("anyOf") {
        any.retain(|one| one["type"] != "null");
        match any.as_mut_slice() {
            [Json::Object(one)] => property.append(one),
            _ => drop(property.insert("anyOf".into(), any.into())),
        }
    }
}

fn required(schema: &Schema) -> Vec<String> {
    let names = schema.get("required").and_then(Json::as_array).into_iter().flatten();
    names.filter_map(|name| name.as_str().map(ToOwned::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    /// A colour.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        /// `red`: stop.
        Red,
        /// `green`: go.
        Green,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Light {
        /// When it changed last.
        #[serde(with = "told::Instant")]
        since: i64,
        next: Option<i32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        colour: Option<Colour>,
    }

    #[test]
    fn what_is_left_out_is_never_null_and_what_is_always_there_is_required() {
        let mut schemas = Schemas::default();
        assert_eq!(schemas.told::<Light>(), json!({"$ref": "#/components/schemas/Light"}));
        let all = schemas.finish();
        let light = &all["Light"];
        assert_eq!(light["required"], json!(["since", "next"]));
        assert_eq!(light["properties"]["next"]["type"], json!(["integer", "null"]));
        assert_eq!(light["properties"]["colour"], json!({"$ref": "#/components/schemas/Colour"}));
        let since = json!({"type": "string", "format": "date-time", "description": "When it changed last."});
        assert_eq!(light["properties"]["since"], since);
        let about = "A colour.\n- `red`: stop.\n- `green`: go.";
        assert_eq!(all["Colour"], json!({"type": "string", "enum": ["red", "green"], "description": about}));
    }

    #[test]
    fn parameters_are_the_members_of_what_they_are_read_into() {
        let parameters = Schemas::default().parameters::<Light>();
        let next =
            json!({"name": "next", "in": "query", "required": false, "schema": {"type": "integer", "format": "int32"}});
        assert!(
            parameters.contains(&next) && parameters[0]["description"] == "When it changed last.",
            "{parameters:?}"
        );
    }
}
