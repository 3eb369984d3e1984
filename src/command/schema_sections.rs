//! The parts of the JSON Schema that are no node kinds: `extends`, `matrix`, `tests`.

use serde_json::{Value as Json, json};

/// Names with the values that they take in turn.
pub(super) fn matrix(about: &str) -> Json {
    json!({
        "description": about,
        "type": ["object", "null"],
        "additionalProperties": {
            "description": "values, or labels with values; null takes away what a file that is extended sweeps",
            "anyOf": [
                { "type": "array", "minItems": 1 },
                { "type": "object", "minProperties": 1 },
                { "type": "null" },
            ],
        },
    })
}

pub(super) fn extends() -> Json {
    json!({
        "type": "string",
        "description": "a pipeline file, relative to this one; what stands here goes over what stands there",
    })
}

/// A node over one of the file that is extended: any of its keys, null to take a key (or the node) away.
pub(super) fn node_of_extending(kinds: &[&str]) -> Json {
    json!({
        "type": ["object", "null"],
        "properties": { "kind": { "enum": kinds } },
    })
}

pub(super) fn tests() -> Json {
    let row = json!({ "type": "object" });
    let expectation = json!({
        "type": "object",
        "required": ["node"],
        "additionalProperties": false,
        "properties": {
            "node": { "type": "string", "description": "NODE or NODE.PORT" },
            "rows": { "type": "integer", "minimum": 0, "description": "how many rows the table has" },
            "columns": {
                "type": "object",
                "additionalProperties": { "type": "array" },
                "description": "the values of columns, row by row",
            },
            "order": { "type": "array", "description": "the column unique_idx, row by row" },
            "contains": {
                "type": "array",
                "items": row,
                "description": "rows that are somewhere in the table, by some of their columns",
            },
            "within": { "type": "number", "minimum": 0, "description": "how far numbers may be off (0)" },
            "error": { "type": "string", "description": "the node fails, and its message holds this text" },
        },
    });
    json!({
        "type": "array",
        "description": "run by `trommel test`",
        "items": {
            "type": "object",
            "required": ["name", "expect"],
            "additionalProperties": false,
            "properties": {
                "name": { "type": "string" },
                "set": { "type": "object", "description": "values of parameters, as by --set" },
                "given": {
                    "type": "object",
                    "additionalProperties": { "type": ["array", "null"], "items": row },
                    "description": "NODE or NODE.PORT: the rows that stand in for its table",
                },
                "expect": { "type": "array", "minItems": 1, "items": expectation },
            },
        },
    })
}
