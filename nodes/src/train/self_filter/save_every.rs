//! How often the state of training is saved: `save_every: 500` (steps) or `save_every: 10 min`.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, json};

/// Steps, or minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SaveEvery {
    Steps(u32),
    Minutes(f64),
}

impl SaveEvery {
    /// As the worker reads it.
    pub(super) fn to_worker(self) -> Json {
        match self {
            Self::Steps(steps) => json!({ "steps": steps }),
            Self::Minutes(minutes) => json!({ "minutes": minutes }),
        }
    }
}

impl Default for SaveEvery {
    fn default() -> Self {
        Self::Minutes(10.0)
    }
}

impl fmt::Display for SaveEvery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "{steps}"),
            Self::Minutes(minutes) => write!(f, "{minutes} min"),
        }
    }
}

impl FromStr for SaveEvery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is neither a number of steps (500) nor a time (10 min), both more than 0"
            )
        };
        let number = text.strip_suffix("min").map(str::trim);
        let every = match number {
            Some(minutes) => Self::Minutes(minutes.parse().map_err(|_| wrong())?),
            None => Self::Steps(text.trim().parse().map_err(|_| wrong())?),
        };
        match every {
            Self::Steps(0) => Err(wrong()),
            Self::Minutes(minutes) if !(minutes > 0.0 && minutes.is_finite()) => Err(wrong()),
            every => Ok(every),
        }
    }
}

impl Serialize for SaveEvery {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Steps(steps) => to.serialize_u32(*steps),
            Self::Minutes(_) => to.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for SaveEvery {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = match Json::deserialize(from)? {
            Json::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SaveEvery {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "save_every".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 1 },
                { "type": "string", "pattern": "^ *[0-9.]+ *min$" },
            ],
            "description": "a number of steps, or `N min`",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_minutes_are_read_and_written() {
        let read = |json: Json| serde_json::from_value::<SaveEvery>(json);
        for (json, every) in [
            (json!(500), SaveEvery::Steps(500)),
            (json!("10 min"), SaveEvery::Minutes(10.0)),
            (json!("0.5min"), SaveEvery::Minutes(0.5)),
        ] {
            let found = read(json).unwrap();
            assert_eq!(found, every);
            assert_eq!(read(serde_json::to_value(found).unwrap()).unwrap(), every);
        }
        for wrong in [
            json!(0),
            json!("0 min"),
            json!("ten"),
            json!(-1),
            json!("5 s"),
            json!(1.5),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("neither a number of steps"), "{error}");
        }
    }
}
