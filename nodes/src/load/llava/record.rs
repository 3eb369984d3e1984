//! One record of a `LLaVA` annotation file: what is needed of it, and what makes it unusable.

use serde::Deserialize;
use serde_json::Value;

/// A record. `conversations` begins with `human` and alternates with `gpt`; it may end on either, because a turn without
/// an answer has no labels in training but still has a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The record's JSON, byte for byte as in the file.
    pub raw: String,
    /// A number counts as its decimal text. None if the record has none.
    pub id: Option<String>,
    pub image: Option<String>,
    pub conversations: Vec<Turn>,
    /// Line of the file on which the record begins, from 1.
    pub line: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Turn {
    pub from: String,
    pub value: String,
}

/// Why a record cannot be used.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The text is not JSON (line and column count from the record's first character): what follows cannot be trusted.
    Syntax { line: u64, reason: String },
    /// JSON, but not such a record.
    Content { reason: String },
}

/// What the file gives. Other keys are the user's own and stay in `raw`.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    image: Option<Value>,
    conversations: Vec<Turn>,
}

impl Record {
    pub(crate) fn parse(raw: String, line: u64) -> Result<Record, Refusal> {
        let written: Written = serde_json::from_str(&raw).map_err(|e| {
            if e.is_data() {
                let reason = wrong_shape(&raw).unwrap_or_else(|| e.to_string());
                Refusal::Content { reason }
            } else {
                Refusal::Syntax {
                    line: (e.line() as u64).saturating_sub(1),
                    reason: e.to_string(),
                }
            }
        })?;
        let content = |reason: String| Refusal::Content { reason };
        let id = match written.id {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(other) => {
                return Err(content(format!(
                    "`id` is {}, not a string or a number",
                    kind(&other)
                )));
            }
        };
        let image = match written.image {
            None | Some(Value::Null) => None,
            Some(Value::String(path)) if !path.trim().is_empty() => Some(path),
            Some(Value::String(_)) => {
                return Err(content(
                    "`image` is empty; leave the key out of a record without an image".into(),
                ));
            }
            Some(other) => return Err(content(format!("`image` is {}, not a path", kind(&other)))),
        };
        check_roles(&written.conversations).map_err(content)?;
        Ok(Record {
            raw,
            id,
            image,
            conversations: written.conversations,
            line,
        })
    }
}

/// What a record is instead of an object with a list of turns: the parser would not name the key.
fn wrong_shape(raw: &str) -> Option<String> {
    match serde_json::from_str(raw).ok()? {
        Value::Object(record) => match record.get("conversations")? {
            Value::Array(_) => None,
            other => Some(format!(
                "`conversations` is {}, not a list of turns",
                kind(other)
            )),
        },
        other => Some(format!("it is {}, not an object", kind(&other))),
    }
}

fn check_roles(turns: &[Turn]) -> Result<(), String> {
    if turns.is_empty() {
        return Err("`conversations` is empty".into());
    }
    for (i, turn) in turns.iter().enumerate() {
        let expected = if i % 2 == 0 { "human" } else { "gpt" };
        if turn.from != expected {
            let from: String = turn.from.chars().take(40).collect();
            return Err(format!(
                "turn {} is from {from:?} where {expected:?} is expected: turns alternate and begin with \"human\"",
                i + 1
            ));
        }
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &str, turns: &[(&str, &str)]) -> Result<Record, String> {
        let turns: Vec<Value> = turns
            .iter()
            .map(|(from, value)| serde_json::json!({"from": from, "value": value}))
            .collect();
        let raw = format!(r#"{{{fields}"conversations": {}}}"#, Value::from(turns));
        Record::parse(raw, 1).map_err(|refusal| match refusal {
            Refusal::Syntax { reason, .. } | Refusal::Content { reason } => reason,
        })
    }

    #[test]
    fn takes_strings_and_numbers_as_ids_and_images_or_none() {
        let turns = [("human", "q"), ("gpt", "a")];
        assert_eq!(
            parse(r#""id": "x", "image": "a.jpg", "#, &turns)
                .unwrap()
                .image
                .unwrap(),
            "a.jpg"
        );
        assert_eq!(
            parse(r#""id": 12, "own": [1], "#, &turns)
                .unwrap()
                .id
                .unwrap(),
            "12"
        );
        let record = parse(r#""id": null, "image": null, "#, &turns).unwrap();
        assert_eq!((record.id, record.image), (None, None));
        assert_eq!(parse("", &turns[..1]).unwrap().conversations.len(), 1);
    }

    #[test]
    fn says_what_is_wrong() {
        let turns = [("human", "q"), ("gpt", "a")];
        for (fields, turns, expected) in [
            (r#""id": [1], "#, &turns[..], "`id` is a list"),
            (r#""image": ["a"], "#, &turns, "`image` is a list"),
            (r#""image": "", "#, &turns, "`image` is empty"),
            ("", &[], "`conversations` is empty"),
            ("", &turns[1..], r#"turn 1 is from "gpt" where "human""#),
            (
                "",
                &[("human", "q"), ("human", "q")],
                r#"turn 2 is from "human" where "gpt""#,
            ),
            (r#""conversations": [], "#, &turns, "duplicate field"),
        ] {
            let error = parse(fields, turns).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
