//! One record of a `LLaVA` annotation file: what is needed of it, and what makes it unusable.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

/// A record, whose texts lie in the record's JSON wherever they have no escapes. `conversations` begins with `human` and
/// alternates with `gpt`; it may end on either, because a turn without an answer has no labels in training but still has a
/// text.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// The record's JSON, byte for byte as in the file.
    pub raw: &'a str,
    /// A number counts as its decimal text. None if the record has none.
    pub id: Option<Cow<'a, str>>,
    pub image: Option<Cow<'a, str>>,
    pub conversations: Vec<Turn<'a>>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Turn<'a> {
    #[serde(borrow)]
    pub from: Cow<'a, str>,
    #[serde(borrow)]
    pub value: Cow<'a, str>,
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
struct Written<'a> {
    #[serde(borrow, default)]
    id: Option<Scalar<'a>>,
    #[serde(borrow, default)]
    image: Option<Scalar<'a>>,
    #[serde(borrow)]
    conversations: Vec<Turn<'a>>,
}

impl<'a> Record<'a> {
    pub(crate) fn parse(raw: &'a str) -> Result<Self, Refusal> {
        let written: Written<'a> = serde_json::from_str(raw).map_err(|e| {
            if e.is_data() {
                let reason = wrong_shape(raw).unwrap_or_else(|| e.to_string());
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
            None => None,
            Some(Scalar::Text(text)) => Some(text),
            Some(Scalar::Number(number)) => Some(number.to_string().into()),
            Some(Scalar::Other(found)) => {
                return Err(content(format!(
                    "`id` is {found}, not a string or a number"
                )));
            }
        };
        let image = match written.image {
            None => None,
            Some(Scalar::Text(path)) if !path.trim().is_empty() => Some(path),
            Some(Scalar::Text(_)) => {
                return Err(content(
                    "`image` is empty; leave the key out of a record without an image".into(),
                ));
            }
            Some(Scalar::Number(_)) => {
                return Err(content("`image` is a number, not a path".into()));
            }
            Some(Scalar::Other(found)) => {
                return Err(content(format!("`image` is {found}, not a path")));
            }
        };
        check_roles(&written.conversations).map_err(content)?;
        Ok(Self {
            raw,
            id,
            image,
            conversations: written.conversations,
        })
    }
}

/// A value that is to be a text or a number; of others only what they are.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(Number),
    Other(&'static str),
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        let number = Number::from_f64(number);
        Ok(number.map_or(Scalar::Other("null"), Scalar::Number))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Other(kind(&Value::Bool(value))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other("an object"))
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

fn check_roles(turns: &[Turn<'_>]) -> Result<(), String> {
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

    /// `id` and `image` of a record, and the number of its turns.
    fn parse(
        fields: &str,
        turns: &[(&str, &str)],
    ) -> Result<(Option<String>, Option<String>, usize), String> {
        let turns: Vec<Value> = turns
            .iter()
            .map(|(from, value)| serde_json::json!({"from": from, "value": value}))
            .collect();
        let raw = format!(r#"{{{fields}"conversations": {}}}"#, Value::from(turns));
        let record = Record::parse(&raw).map_err(|refusal| match refusal {
            Refusal::Syntax { reason, .. } | Refusal::Content { reason } => reason,
        })?;
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let turns = record.conversations.len();
        Ok((owned(record.id), owned(record.image), turns))
    }

    #[test]
    fn takes_strings_and_numbers_as_ids_and_images_or_none() {
        let turns = [("human", "q"), ("gpt", "a")];
        let some = |text: &str| Some(text.to_owned());
        for (fields, id, image) in [
            (r#""id": "x", "image": "a.jpg", "#, some("x"), some("a.jpg")),
            (r#""id": "a\nb", "#, some("a\nb"), None),
            (r#""id": 12, "own": [1], "#, some("12"), None),
            (r#""id": -7, "#, some("-7"), None),
            (r#""id": 1.50, "#, some("1.5"), None),
            (r#""id": null, "image": null, "#, None, None),
        ] {
            assert_eq!(parse(fields, &turns), Ok((id, image, 2)), "{fields}");
        }
        assert_eq!(parse("", &turns[..1]), Ok((None, None, 1)));
    }

    #[test]
    fn only_texts_with_escapes_are_copied() {
        let raw = r#"{"id": "x", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "\u00e9"}]}"#;
        let record = Record::parse(raw).unwrap();
        let [q, a] = &record.conversations[..] else {
            panic!("{record:?}")
        };
        assert!(matches!(record.id, Some(Cow::Borrowed("x"))));
        assert!(matches!(
            (&q.from, &q.value),
            (Cow::Borrowed("human"), Cow::Borrowed("q"))
        ));
        assert!(matches!(&a.value, Cow::Owned(text) if text == "é"));
    }

    #[test]
    fn says_what_is_wrong() {
        let turns = [("human", "q"), ("gpt", "a")];
        for (fields, turns, expected) in [
            (r#""id": [1], "#, &turns[..], "`id` is a list"),
            (r#""id": {"a": [1]}, "#, &turns, "`id` is an object"),
            (r#""id": true, "#, &turns, "`id` is true or false"),
            (r#""image": ["a"], "#, &turns, "`image` is a list"),
            (r#""image": 1.5, "#, &turns, "`image` is a number"),
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
