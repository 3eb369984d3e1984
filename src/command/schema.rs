//! `trommel schema`: the JSON Schema of pipeline files, made from the kinds.

use std::process::ExitCode;

use serde_json::{Map, Value as Json, json};
use trommel_engine::node::{ImageUse, OutputFormat};

use super::kinds::example_contract;
use super::registry;
use super::schema_sections as sections;
use crate::terminal;

pub(super) fn run() -> ExitCode {
    terminal::give(&serde_json::to_string_pretty(&schema()).unwrap_or_default());
    ExitCode::SUCCESS
}

fn schema() -> Json {
    let registry = registry();
    let mut definitions = Map::new();
    let mut kinds = Vec::new();
    for entry in registry.entries() {
        let mut config = entry.kind.schema().to_value();
        let name = entry.kind.name();
        rename_definitions(&mut config, name);
        let fails_by_row = example_contract(entry).is_some_and(|contract| contract.fails_by_row);
        if let Some(object) = config.as_object_mut() {
            object.remove("$schema");
            for (name, definition) in object
                .remove("$defs")
                .as_ref()
                .and_then(Json::as_object)
                .into_iter()
                .flatten()
            {
                definitions.insert(name.clone(), definition.clone());
            }
            allow_parameters(object);
            if let Some(properties) = object.get_mut("properties").and_then(Json::as_object_mut) {
                properties.insert("kind".into(), json!({ "const": name }));
                let about = "names of this node that take several values; ${name} stands for them";
                properties.insert("matrix".into(), sections::matrix(about));
                if fails_by_row {
                    let choices = json!({ "enum": ["fail", "quarantine"], "default": "fail" });
                    properties.insert("on_error".into(), choices);
                }
            }
            let required = object.entry("required").or_insert_with(|| json!([]));
            if let Some(required) = required.as_array_mut() {
                required.insert(0, json!("kind"));
            }
            let about = entry
                .documentation()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            object.insert("title".into(), json!(name));
            object.insert("description".into(), json!(about));
        }
        kinds.push(config);
    }
    let names: Vec<&str> = registry.entries().map(|e| e.kind.name()).collect();
    let formats: Vec<&str> = registry.output_formats().map(OutputFormat::name).collect();
    let images = ImageUse::ALL.map(ImageUse::name);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trommel pipeline",
        "type": "object",
        "required": ["version"],
        // What is overridden in an extending file needs no `kind`.
        "if": { "required": ["extends"] },
        "then": {
            "properties": { "nodes": { "additionalProperties": sections::node_of_extending(&names) } },
        },
        "else": {
            "required": ["nodes"],
            "properties": {
                "nodes": {
                    "additionalProperties": {
                        "type": "object",
                        "required": ["kind"],
                        "properties": { "kind": { "enum": names } },
                        "oneOf": kinds,
                    },
                },
            },
        },
        "additionalProperties": false,
        "properties": {
            "version": { "const": 1 },
            "name": { "type": "string" },
            "params": { "type": "object", "description": "values for ${name}; --set name=value overrides them" },
            "extends": sections::extends(),
            "matrix": sections::matrix("parameters that take several values, in all combinations"),
            "nodes": { "type": "object" },
            "tests": sections::tests(),
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["from", "path", "format"],
                    "additionalProperties": false,
                    "properties": {
                        "from": { "type": "string", "description": "NODE or NODE.PORT" },
                        "path": { "type": "string", "description": "relative to the pipeline file" },
                        "format": { "enum": formats },
                        "columns": { "type": "array", "items": { "type": "string" }, "minItems": 1, "description": "the columns to write; all by default" },
                        "images": { "enum": images, "description": "what becomes of the images of the rows" },
                        "card": { "type": "boolean", "description": "write a dataset card, README.md" },
                    },
                },
            },
        },
        "$defs": definitions,
    })
}

/// Anywhere a value stands, `${name}` may stand.
fn allow_parameters(config: &mut Map<String, Json>) {
    let Some(properties) = config.get_mut("properties").and_then(Json::as_object_mut) else {
        return;
    };
    for property in properties.values_mut() {
        let takes_text = property["type"] == json!("string") && property.get("pattern").is_none();
        if !takes_text {
            *property = json!({ "anyOf": [property.clone(), { "type": "string", "pattern": "^\\$\\{[^}]+\\}$" }] });
        }
    }
}

/// Two kinds may have types of one name: each kind's are put under its own.
fn rename_definitions(schema: &mut Json, kind: &str) {
    match schema {
        Json::Object(object) => {
            if let Some(Json::String(reference)) = object.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("#/$defs/{kind}.{name}");
            }
            if let Some(Json::Object(definitions)) = object.get_mut("$defs") {
                *definitions = std::mem::take(definitions)
                    .into_iter()
                    .map(|(name, definition)| (format!("{kind}.{name}"), definition))
                    .collect();
            }
            object
                .values_mut()
                .for_each(|value| rename_definitions(value, kind));
        }
        Json::Array(items) => items
            .iter_mut()
            .for_each(|item| rename_definitions(item, kind)),
        _ => {}
    }
}
