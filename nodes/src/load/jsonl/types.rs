//! The type of a column of JSON values: the narrowest that all values have.

use arrow::datatypes::Fields;
use serde_json::{Map, Value as Json};
use trommel_engine::node::prelude::*;

#[derive(Debug, Default, PartialEq)]
pub(super) enum Type {
    /// Nothing but nulls so far.
    #[default]
    Unknown,
    Boolean,
    Integer,
    Float,
    Text,
    List(Box<Type>),
    /// In the order in which the keys were first met.
    Object(Vec<(String, Type)>),
}

impl Type {
    /// Widens the type so that it holds `value`, or says why no type would. `path` is where the value is.
    pub(super) fn add(&mut self, value: &Json, path: &mut Vec<String>) -> Result<(), String> {
        match (&mut *self, value) {
            (_, Json::Null)
            | (Self::Boolean, Json::Bool(_))
            | (Self::Text, Json::String(_))
            | (Self::Float, Json::Number(_)) => Ok(()),
            (Self::Unknown | Self::Integer, Json::Number(number)) if number.is_i64() => {
                *self = Self::Integer;
                Ok(())
            }
            (Self::Unknown | Self::Integer, Json::Number(number)) if number.is_u64() => {
                Err(format!(
                    "`{}` is {number}, which is too large for a whole number (i64); write it as text",
                    path.join(".")
                ))
            }
            (Self::Unknown | Self::Integer, Json::Number(_)) => {
                *self = Self::Float;
                Ok(())
            }
            (Self::List(inner), Json::Array(values)) => {
                values.iter().try_for_each(|value| inner.add(value, path))
            }
            (Self::Object(known), Json::Object(fields)) => add_fields(known, fields, path),
            (Self::Unknown, value) => {
                *self = match value {
                    Json::Bool(_) => Self::Boolean,
                    Json::Array(_) => Self::List(Box::default()),
                    Json::Object(_) => Self::Object(Vec::new()),
                    _ => Self::Text,
                };
                self.add(value, path)
            }
            (known, value) => Err(format!(
                "`{}` is {} here, and {} in lines before",
                path.join("."),
                word(value),
                known.word()
            )),
        }
    }

    /// The fields of the objects that were added.
    pub(super) fn into_fields(self) -> Fields {
        match self {
            Self::Object(fields) => fields
                .into_iter()
                .map(|(name, ty)| Field::new(name, ty.into_data_type(), true))
                .collect(),
            _ => Fields::empty(),
        }
    }

    fn into_data_type(self) -> DataType {
        match self {
            Self::Unknown | Self::Text => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::List(inner) => {
                DataType::List(Arc::new(Field::new("item", inner.into_data_type(), true)))
            }
            object @ Self::Object(_) => DataType::Struct(object.into_fields()),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "null",
            Self::Boolean => "true or false",
            Self::Integer | Self::Float => "a number",
            Self::Text => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

fn add_fields(
    known: &mut Vec<(String, Type)>,
    fields: &Map<String, Json>,
    path: &mut Vec<String>,
) -> Result<(), String> {
    for (number, (name, value)) in fields.iter().enumerate() {
        // Lines mostly have the same keys in the same order.
        let place = match known.get(number) {
            Some((known, _)) if known == name => number,
            _ => known
                .iter()
                .position(|(known, _)| known == name)
                .unwrap_or(known.len()),
        };
        if place == known.len() {
            known.push((name.clone(), Type::default()));
        }
        path.push(name.clone());
        known[place].1.add(value, path)?;
        path.pop();
    }
    Ok(())
}

fn word(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Result<Type, String> {
        let mut all = Type::default();
        for line in lines {
            all.add(&serde_json::from_str(line).unwrap(), &mut Vec::new())?;
        }
        Ok(all)
    }

    #[test]
    fn types_widen() {
        let lines = [
            r#"{"a": null, "b": 1, "t": [{"from": "human"}]}"#,
            r#"{"b": 0.5, "a": "x", "t": [{"value": "y", "from": null}], "c": []}"#,
            r#"{"b": -3, "d": true, "e": 7}"#,
        ];
        let fields = of(&lines).unwrap().into_fields();
        let shown: Vec<String> = fields
            .iter()
            .map(|f| format!("{} {}", f.name(), f.data_type()))
            .collect();
        let turns = DataType::List(Arc::new(Field::new(
            "item",
            DataType::Struct(
                vec![
                    Field::new("from", DataType::Utf8, true),
                    Field::new("value", DataType::Utf8, true),
                ]
                .into(),
            ),
            true,
        )));
        let texts = DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)));
        assert_eq!(
            shown,
            [
                "a Utf8".to_owned(),
                "b Float64".to_owned(),
                format!("t {turns}"),
                format!("c {texts}"),
                "d Boolean".to_owned(),
                "e Int64".to_owned()
            ]
        );
    }

    #[test]
    fn values_that_do_not_go_together_are_named() {
        let error = of(&[r#"{"a": {"b": 1}}"#, r#"{"a": {"b": "one"}}"#]).unwrap_err();
        assert_eq!(error, "`a.b` is text here, and a number in lines before");
        assert!(
            of(&[r#"{"a": []}"#, r#"{"a": {}}"#])
                .unwrap_err()
                .contains("an object here")
        );
        assert!(
            of(&[r#"{"a": 18446744073709551615}"#])
                .unwrap_err()
                .contains("too large")
        );
    }
}
