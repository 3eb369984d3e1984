//! The type of a column of CSV values: the narrowest that all of them have.

use arrow::array::{BooleanArray, Float64Array, Int64Array, StringArray};
use trommel_engine::node::prelude::*;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Type {
    /// Nothing but empty fields so far.
    #[default]
    Unknown,
    Boolean,
    Integer,
    Float,
    Text,
}

impl Type {
    /// Widens the type so that it holds `value`.
    pub(super) fn add(&mut self, value: &str) {
        *self = match (*self, Self::of(value)) {
            (known, Self::Unknown) => known,
            (Self::Unknown, new) => new,
            (known, new) if known == new => known,
            (Self::Integer, Self::Float) | (Self::Float, Self::Integer) => Self::Float,
            _ => Self::Text,
        };
    }

    /// A number whose text would not come back (`007`, `+1`, twenty digits) is text: it may well be a name.
    fn of(value: &str) -> Self {
        let written_as = |number: i64| number.to_string() == value;
        match value {
            "" => Self::Unknown,
            "true" | "false" => Self::Boolean,
            _ if value.parse().is_ok_and(written_as) => Self::Integer,
            _ if value.contains(['.', 'e', 'E']) && number(value).is_some() => Self::Float,
            _ => Self::Text,
        }
    }

    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Unknown | Self::Text => DataType::Utf8,
        }
    }

    /// Values, all of which were added.
    pub(super) fn array(self, values: Vec<Option<String>>) -> ArrayRef {
        let texts = values.iter().map(Option::as_deref);
        match self {
            Self::Boolean => {
                let array: BooleanArray = texts.map(|v| v.map(|v| v == "true")).collect();
                Arc::new(array)
            }
            Self::Integer => {
                let array: Int64Array = texts.map(|v| v.and_then(|v| v.parse().ok())).collect();
                Arc::new(array)
            }
            Self::Float => {
                let array: Float64Array = texts.map(|v| v.and_then(number)).collect();
                Arc::new(array)
            }
            Self::Unknown | Self::Text => Arc::new(StringArray::from(values)),
        }
    }
}

/// A finite number as JSON writes it, rounded correctly.
fn number(value: &str) -> Option<f64> {
    // White space around it, which JSON allows, is part of the field.
    if value.contains(|c: char| c.is_ascii_whitespace()) {
        return None;
    }
    serde_json::from_str(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Type {
        let mut all = Type::default();
        for value in values {
            all.add(value);
        }
        all
    }

    #[test]
    fn types_widen() {
        assert_eq!(of(&["", ""]), Type::Unknown);
        assert_eq!(of(&["true", "", "false"]), Type::Boolean);
        assert_eq!(of(&["1", "-20", "9223372036854775807"]), Type::Integer);
        assert_eq!(of(&["1", "0.5", "1e3"]), Type::Float);
        assert_eq!(of(&["0.5", "1"]), Type::Float);
        for text in [
            "007",
            "+1",
            "-0",
            ".5",
            "1.",
            "1e999",
            "NaN",
            "inf",
            "True",
            " 1",
            "1.0 ",
            "9223372036854775808",
        ] {
            assert_eq!(of(&[text]), Type::Text, "{text:?}");
            assert_eq!(of(&["1", text, "0.5"]), Type::Text, "{text:?}");
        }
        assert_eq!(of(&["true", "1"]), Type::Text);
    }

    #[test]
    fn values_become_arrays() {
        let array = |values: &[&str]| {
            let owned = values
                .iter()
                .map(|v| (!v.is_empty()).then(|| (*v).to_owned()));
            of(values).array(owned.collect())
        };
        assert_eq!(
            array(&["1", "", "2.5"]).as_ref(),
            &Float64Array::from(vec![Some(1.0), None, Some(2.5)])
        );
        assert_eq!(
            array(&["7", ""]).as_ref(),
            &Int64Array::from(vec![Some(7), None])
        );
        assert_eq!(
            array(&["false", ""]).as_ref(),
            &BooleanArray::from(vec![Some(false), None])
        );
        assert_eq!(
            array(&["", ""]).as_ref(),
            &StringArray::from(vec![None::<&str>, None])
        );
    }
}
