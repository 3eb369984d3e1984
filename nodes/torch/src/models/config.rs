//! What all readers of `config.json` and its like share: the error, and where a model's settings stand in the file.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;

/// A configuration that this program cannot build a model from. `model` names the file and the model that it is of.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{model} is not readable: {source}")]
    Json {
        model: &'static str,
        source: serde_json::Error,
    },
    #[error("{model}: {key} is {value}, {expected}")]
    Value {
        model: &'static str,
        key: &'static str,
        value: String,
        expected: String,
    },
}

/// Reads a configuration from the text of a `config.json`.
pub(crate) fn parse<C: DeserializeOwned>(
    model: &'static str,
    json: &str,
) -> Result<C, ConfigError> {
    serde_json::from_str(json).map_err(|source| ConfigError::Json { model, source })
}

/// Reads a configuration from one object of a `config.json`.
pub(crate) fn from_object<C: DeserializeOwned>(
    model: &'static str,
    object: Map<String, Value>,
) -> Result<C, ConfigError> {
    serde_json::from_value(Value::Object(object))
        .map_err(|source| ConfigError::Json { model, source })
}

/// Refuses the value of a key.
pub(crate) fn refuse<T>(
    model: &'static str,
    key: &'static str,
    value: impl Display,
    expected: impl Into<String>,
) -> Result<T, ConfigError> {
    Err(ConfigError::Value {
        model,
        key,
        value: value.to_string(),
        expected: expected.into(),
    })
}

/// Every size in `sizes` must be positive: a zero would be a division by zero or an empty model later.
pub(crate) fn positive(
    model: &'static str,
    sizes: &[(&'static str, i64)],
) -> Result<(), ConfigError> {
    match sizes.iter().find(|(_, size)| *size <= 0) {
        Some((key, size)) => refuse(model, key, size, "expected a positive number"),
        None => Ok(()),
    }
}

/// Attention splits `width` evenly over `heads`.
pub(crate) fn divides(
    model: &'static str,
    key: &'static str,
    heads: i64,
    width: i64,
) -> Result<(), ConfigError> {
    if width % heads == 0 {
        return Ok(());
    }
    refuse(model, key, heads, format!("which does not divide {width}"))
}
