//! Several marks in one answer: the JSON object that is asked for, and reading it.

use serde_json::{Map, Value as Json, json};

use super::parse::number;

/// The `response_format` that makes a server answer with these numbers and nothing else.
pub(super) fn schema(names: &[String]) -> Json {
    let properties: Map<String, Json> = names
        .iter()
        .map(|name| (name.clone(), json!({ "type": "number" })))
        .collect();
    json!({
        "type": "json_schema",
        "json_schema": {
            "name": "marks",
            "strict": true,
            "schema": {
                "type": "object",
                "properties": properties,
                "required": names,
                "additionalProperties": false,
            },
        },
    })
}

/// The mark of each name: a number from 0 to 10, or a text that [`number`] reads as one. Words and fences around the object
/// do no harm; without an object there are no marks.
pub(super) fn marks(answer: &str, names: &[String]) -> Vec<Option<f64>> {
    let object = object(answer).unwrap_or_default();
    let mark = |name: &String| match object.get(name)? {
        Json::Number(value) => value.as_f64().filter(|value| (0.0..=10.0).contains(value)),
        Json::String(text) => number(text),
        _ => None,
    };
    names.iter().map(mark).collect()
}

fn object(answer: &str) -> Option<Map<String, Json>> {
    let (start, end) = (answer.find('{')?, answer.rfind('}')?);
    serde_json::from_str(answer.get(start..=end)?).ok()
}

/// The mean, if all are there.
pub(super) fn mean(marks: &[Option<f64>]) -> Option<f64> {
    let all: Option<Vec<f64>> = marks.iter().copied().collect();
    let all = all.filter(|all| !all.is_empty())?;
    Some(all.iter().sum::<f64>() / all.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names() -> Vec<String> {
        ["quality", "difficulty"].map(str::to_owned).to_vec()
    }

    #[test]
    fn marks_are_read_by_name() {
        let read = |answer: &str| marks(answer, &names());
        let both = vec![Some(8.0), Some(3.5)];
        assert_eq!(read(r#"{"difficulty": 3.5, "quality": 8}"#), both);
        let fenced =
            "Sure:\n```json\n{\"quality\": \"8/10\", \"difficulty\": 3.5, \"why\": null}\n```";
        assert_eq!(read(fenced), both);
        assert_eq!(read(r#"{"quality": 11, "difficulty": true}"#), [None, None]);
        assert_eq!(read(r#"{"quality": 1}"#), [Some(1.0), None]);
        assert_eq!(read("} 8 {"), [None, None]);
        assert_eq!(read(r#"{"quality": 8, "diff"#), [None, None]);
    }

    #[test]
    fn the_mean_is_there_when_all_are() {
        assert_eq!(mean(&[Some(1.0), Some(2.0)]), Some(1.5));
        assert_eq!(mean(&[Some(1.0), None]), None);
        assert_eq!(mean(&[]), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[{}\":, a-z0-9é]*") {
            marks(&text, &names());
        }
    }
}
