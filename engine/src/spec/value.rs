//! YAML values that know where they were written.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostics::{Place, Source, Spanned};

/// A value and the place it was written at.
#[derive(Clone, Debug)]
pub struct Value {
    pub data: Data,
    pub place: Place,
    /// The parameter that the value was taken from, for messages.
    pub param: Option<Arc<str>>,
    /// The file whose folder a relative path in it starts from, where that is not the file of `place`:
    /// a parameter may be written in one file and used in another.
    pub written: Option<Arc<Source>>,
}

#[derive(Clone, Debug)]
pub enum Data {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    /// Text that holds something read from the environment. `shown` is what may be printed.
    Secret {
        text: String,
        shown: String,
    },
    List(Vec<Value>),
    Map(Vec<(Spanned<String>, Value)>),
}

impl Value {
    pub fn new(data: Data, place: Place) -> Self {
        Self {
            data,
            place,
            param: None,
            written: None,
        }
    }

    /// The file that a relative path in it is relative to.
    pub fn source(&self) -> &Arc<Source> {
        self.written.as_ref().unwrap_or(&self.place.source)
    }

    /// The folder that a relative path in it starts from.
    pub fn folder(&self) -> &Path {
        self.source().folder()
    }

    /// As if it had been written in `source`, all of it.
    #[must_use]
    pub(super) fn written_in(self, source: &Arc<Source>) -> Self {
        let data = match self.data {
            Data::List(items) => {
                Data::List(items.into_iter().map(|v| v.written_in(source)).collect())
            }
            Data::Map(entries) => Data::Map(
                entries
                    .into_iter()
                    .map(|(k, v)| (k, v.written_in(source)))
                    .collect(),
            ),
            other => other,
        };
        Self {
            data,
            written: Some(source.clone()),
            ..self
        }
    }

    /// What it is, for messages: "a number", "a list".
    pub fn describe(&self) -> String {
        match &self.data {
            Data::Null => "nothing (null)".into(),
            Data::Bool(b) => format!("{b}"),
            Data::Int(i) => format!("the number {i}"),
            Data::Unsigned(u) => format!("the number {u}"),
            Data::Float(f) => format!("the number {f}"),
            Data::Text(t) if t.chars().count() > 40 => "text".into(),
            Data::Text(t) => format!("the text \"{t}\""),
            Data::Secret { .. } => "a value from the environment".into(),
            Data::List(items) if items.is_empty() => "an empty list".into(),
            Data::List(_) => "a list".into(),
            Data::Map(_) => "a mapping".into(),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|(k, _)| k.value == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The key itself, with its place.
    pub(super) fn key(&self, key: &str) -> Option<&Spanned<String>> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|(k, _)| k.value == key).map(|(k, _)| k),
            _ => None,
        }
    }

    /// A mapping without one of its keys; anything else as it is.
    #[must_use]
    pub(super) fn without(&self, key: &str) -> Self {
        let mut rest = self.clone();
        if let Data::Map(entries) = &mut rest.data {
            entries.retain(|(k, _)| k.value != key);
        }
        rest
    }

    /// A node's body as it stands in documentation: `{ kind: K, ... }` or `NAME: { kind: K, ... }`,
    /// split into the kind and the rest.
    pub fn into_node(self) -> Option<(String, Self)> {
        if self.get("kind").is_none() {
            let Data::Map(entries) = self.data else {
                return None;
            };
            return entries.into_iter().next()?.1.into_node();
        }
        let Some(Data::Text(kind)) = self.get("kind").map(|k| k.data.clone()) else {
            return None;
        };
        let Data::Map(mut entries) = self.data else {
            return None;
        };
        entries.retain(|(key, _)| key.value != "kind");
        Some((
            kind,
            Self {
                data: Data::Map(entries),
                place: self.place,
                param: None,
                written: None,
            },
        ))
    }

    /// The value as JSON, secrets as they may be shown.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.data {
            Data::Null => serde_json::Value::Null,
            Data::Bool(b) => (*b).into(),
            Data::Int(i) => (*i).into(),
            Data::Unsigned(u) => (*u).into(),
            Data::Float(f) => (*f).into(),
            Data::Text(t) => t.clone().into(),
            Data::Secret { shown, .. } => shown.clone().into(),
            Data::List(items) => items.iter().map(Self::to_json).collect(),
            Data::Map(entries) => serde_json::Value::Object(
                entries
                    .iter()
                    .map(|(k, v)| (k.value.clone(), v.to_json()))
                    .collect(),
            ),
        }
    }
}
