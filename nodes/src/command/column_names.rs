//! Columns that a program reads, under the names that it sees.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// `[text]`, or `{ text: prompt }` where the column `prompt` is to be seen as `text`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ColumnNames(BTreeMap<String, String>);

impl ColumnNames {
    /// Pairs of the name that the program sees, and the column.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(seen, column)| (seen.as_str(), column.as_str()))
    }

    /// Each column once, by name.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = self.0.values().map(String::as_str).collect();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for ColumnNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = ColumnNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a list of columns, or a mapping of names that the program sees to columns",
                )
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ColumnNames, A::Error> {
                let mut names = BTreeMap::new();
                while let Some(name) = list.next_element::<String>()? {
                    names.insert(name.clone(), name);
                }
                Ok(ColumnNames(names))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ColumnNames, A::Error> {
                let mut names = BTreeMap::new();
                while let Some((seen, column)) = map.next_entry::<String, String>()? {
                    names.insert(seen, column);
                }
                Ok(ColumnNames(names))
            }
        }
        deserializer.deserialize_any(Names)
    }
}

impl JsonSchema for ColumnNames {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "columns".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "columns",
            "anyOf": [
                { "type": "array", "items": { "type": "string" } },
                { "type": "object", "additionalProperties": { "type": "string" } },
            ],
        })
    }
}
