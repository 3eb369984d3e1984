//! The types of columns that a program may give, as pipeline files and messages name them.

use std::borrow::Cow;
use std::fmt;

use arrow::datatypes::DataType;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize, Serializer};
use trommel_engine::table::ColumnType;

/// What one column holds. Every value may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    Text,
    Bytes,
    Bool,
    I64,
    U32,
    U64,
    F32,
    F64,
    /// f32 values, of this number where it is told.
    Vector(Option<u32>),
}

const NAMES: [(&str, Given); 9] = [
    ("text", Given::Text),
    ("f32", Given::F32),
    ("f64", Given::F64),
    ("i64", Given::I64),
    ("u32", Given::U32),
    ("u64", Given::U64),
    ("bool", Given::Bool),
    ("bytes", Given::Bytes),
    ("vector", Given::Vector(None)),
];

const CHOICES: &[&str] = &[
    "text",
    "f32",
    "f64",
    "i64",
    "u32",
    "u64",
    "bool",
    "bytes",
    "vector",
    "vector(N)",
];

impl Given {
    /// The type as the engine's contracts speak of it.
    pub fn column_type(self) -> ColumnType {
        match self {
            Self::Text => ColumnType::Text,
            Self::Bytes => ColumnType::Bytes,
            Self::Bool => ColumnType::Any,
            Self::I64 => ColumnType::Number,
            Self::U32 => ColumnType::U32,
            Self::U64 => ColumnType::U64,
            Self::F32 => ColumnType::F32,
            Self::F64 => ColumnType::F64,
            Self::Vector(_) => ColumnType::Vector,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some((_, given)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Some(*given);
        }
        let width = text.strip_prefix("vector(")?.strip_suffix(')')?;
        let width: u32 = width.trim().parse().ok()?;
        (width > 0 && i32::try_from(width).is_ok()).then_some(Self::Vector(Some(width)))
    }

    /// The name of an Arrow type: ours where there is one that means the same.
    pub fn name_of(found: &DataType) -> String {
        match found {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
            DataType::Binary | DataType::LargeBinary => "bytes".into(),
            DataType::Boolean => "bool".into(),
            DataType::Int64 => "i64".into(),
            DataType::UInt32 => "u32".into(),
            DataType::UInt64 => "u64".into(),
            DataType::Float32 => "f32".into(),
            DataType::Float64 => "f64".into(),
            DataType::FixedSizeList(item, width) if *item.data_type() == DataType::Float32 => {
                format!("vector({width})")
            }
            DataType::List(item) | DataType::LargeList(item) => {
                format!("list of {}", Self::name_of(item.data_type()))
            }
            DataType::FixedSizeList(item, width) => {
                format!("list of {width} {}", Self::name_of(item.data_type()))
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Vector(Some(width)) = self {
            return write!(f, "vector({width})");
        }
        let name = NAMES.iter().find(|(_, given)| given == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::unknown_variant(&text, CHOICES))
    }
}

impl JsonSchema for Given {
    fn schema_name() -> Cow<'static, str> {
        "type".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        let pattern = format!(r"^({}|vector\([1-9][0-9]*\))$", names.join("|"));
        json_schema!({ "type": "string", "title": "type", "pattern": pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in [
            "text",
            "f32",
            "f64",
            "i64",
            "u32",
            "u64",
            "bool",
            "bytes",
            "vector",
            "vector(48)",
        ] {
            let given = Given::parse(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(given.to_string(), name);
        }
        for name in [
            "",
            "float",
            "vector()",
            "vector(0)",
            "vector(-1)",
            "vector(x)",
            "f32(2)",
            "vector(9999999999)",
        ] {
            assert_eq!(Given::parse(name), None, "{name}");
        }
    }
}
