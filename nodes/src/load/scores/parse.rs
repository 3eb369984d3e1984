//! A file of scores as the published program writes it: one JSON object from `unique_idx` to a number or null.
//!
//! Python writes numbers that are none as `NaN` and `Infinity`, which is not JSON. They are recognised here so that the
//! error can name them; a JSON parser would only say that something is wrong somewhere.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::load::positions::Positions;

/// Problems that one error names at most.
const NAMED: usize = 20;

/// Why a file of scores cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScoresError {
    #[error("cannot read {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(
        "{path} is not a JSON object of scores, {{\"0\": 0.5, \"1\": null, ...}}: line {line}: {reason}"
    )]
    Json {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    #[error("{path} does not fit a data set of {rows} rows: {problems}")]
    Content {
        path: PathBuf,
        rows: usize,
        /// What is wrong with which `unique_idx`, in words.
        problems: String,
    },
}

/// The score of each row, in the order of `rows`; None where the file says null. Every row must be in the file, and
/// nothing else, unless rows were left out upstream: then the file may be for the full data set.
pub fn read_scores(path: &Path, rows: &Positions) -> Result<Vec<Option<f64>>, ScoresError> {
    let text = std::fs::read(path).map_err(|source| ScoresError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    parse_scores(path, &text, rows)
}

/// As [`read_scores`], from text that is at hand; `path` is for messages.
pub fn parse_scores(
    path: &Path,
    text: &[u8],
    rows: &Positions,
) -> Result<Vec<Option<f64>>, ScoresError> {
    let entries = Cursor { text, at: 0 }
        .entries()
        .map_err(|(at, reason)| ScoresError::Json {
            path: path.to_path_buf(),
            line: text[..at].split(|byte| *byte == b'\n').count(),
            reason,
        })?;
    let mut scores = vec![Entry::Absent; rows.end()];
    let mut beyond = HashSet::new();
    let mut problems = Vec::new();
    for (key, value) in entries {
        let Some(index) = index(&key) else {
            problems.push(format!("the key {key:?} is no unique_idx"));
            continue;
        };
        match (scores.get_mut(index), number(value)) {
            (None, _) if rows.is_whole() => {
                problems.push(format!("unique_idx {index} is beyond the last row"));
            }
            (Some(Entry::Score(_)), _) => {
                problems.push(format!("unique_idx {index} is given twice"));
            }
            (_, Err(reason)) => problems.push(format!("unique_idx {index} {reason}")),
            (Some(slot), Ok(score)) => *slot = Entry::Score(score),
            (None, Ok(_)) if !beyond.insert(index) => {
                problems.push(format!("unique_idx {index} is given twice"));
            }
            (None, Ok(_)) => {}
        }
    }
    if problems.is_empty() {
        problems.extend(absent(rows, &scores));
    }
    if problems.is_empty() {
        let score = |&row: &usize| match scores[row] {
            Entry::Score(score) => score,
            Entry::Absent => None,
        };
        return Ok(rows.rows().iter().map(score).collect());
    }
    let more = problems.len().saturating_sub(NAMED);
    problems.truncate(NAMED);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Err(ScoresError::Content {
        path: path.to_path_buf(),
        rows: rows.rows().len(),
        problems: problems.join("; "),
    })
}

/// What the file says of a row.
#[derive(Clone, Copy)]
enum Entry {
    Absent,
    /// None for null.
    Score(Option<f64>),
}

/// Rows that the file does not name, in words.
fn absent(rows: &Positions, scores: &[Entry]) -> Option<String> {
    let absent: Vec<usize> = rows
        .rows()
        .iter()
        .copied()
        .filter(|&row| matches!(scores[row], Entry::Absent))
        .collect();
    let named: Vec<String> = absent.iter().take(NAMED).map(usize::to_string).collect();
    let more = if absent.len() > NAMED { ", ..." } else { "" };
    (!absent.is_empty()).then(|| {
        format!(
            "{} rows have no entry (write null for a score that is missing): unique_idx {}{more}",
            absent.len(),
            named.join(", ")
        )
    })
}

/// A key as Python's `str(int)` writes it.
fn index(key: &str) -> Option<usize> {
    let digits = key.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (key == "0" || !key.starts_with('0')))
        .then(|| key.parse().ok())
        .flatten()
}

fn number(value: &str) -> Result<Option<f64>, String> {
    if matches!(value, "null") {
        return Ok(None);
    }
    if matches!(value, "NaN" | "Infinity" | "-Infinity") {
        return Err(format!("is {value}; a score is a finite number or null"));
    }
    // serde_json knows what is a JSON number, the standard library how to round one correctly.
    match (serde_json::from_str::<f64>(value), value.parse::<f64>()) {
        (Ok(_), Ok(number)) if number.is_finite() => Ok(Some(number)),
        _ => {
            let shown: String = value.chars().take(40).collect();
            Err(format!("is {shown}; a score is a finite number or null"))
        }
    }
}

/// A place in the text. Errors are a place and a reason.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

type Wrong = (usize, String);

impl<'a> Cursor<'a> {
    /// Keys and the texts of their values.
    fn entries(mut self) -> Result<Vec<(String, &'a str)>, Wrong> {
        let mut entries = Vec::new();
        self.expect(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                let key = self.key()?;
                self.expect(b':')?;
                entries.push((key, self.value()?));
                match self.peek() {
                    Some(b',') => self.at += 1,
                    _ => break self.expect(b'}')?,
                }
            }
        }
        match self.peek() {
            None => Ok(entries),
            Some(_) => Err(self.wrong("there is more text behind the object")),
        }
    }

    fn key(&mut self) -> Result<String, Wrong> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a key in quotes is expected"));
        }
        let text = self.string()?;
        serde_json::from_str(text).map_err(|e| self.wrong(&format!("a key is not valid JSON: {e}")))
    }

    /// A value's text: a string as a whole, all else up to the next comma, brace or space.
    fn value(&mut self) -> Result<&'a str, Wrong> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'{' | b'[') => {
                Err(self.wrong("a value is an object or a list; a number or null is expected"))
            }
            _ => {
                let start = self.at;
                let ends = |byte: &u8| {
                    matches!(byte, b',' | b'}' | b']' | b':' | b'"') || byte.is_ascii_whitespace()
                };
                let rest = &self.text[start..];
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
                if self.at == start {
                    return Err(self.wrong("a number or null is expected; is the file cut off?"));
                }
                self.slice(start)
            }
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Result<&'a str, Wrong> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += match byte {
                b'"' => {
                    self.at += 1;
                    return self.slice(start);
                }
                b'\\' => 2,
                _ => 1,
            };
        }
        self.at = start;
        Err(self.wrong("a string has no end; is the file cut off?"))
    }

    fn slice(&self, start: usize) -> Result<&'a str, Wrong> {
        std::str::from_utf8(&self.text[start..self.at])
            .map_err(|_| (start, "it is not UTF-8".into()))
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.len() - rest.trim_ascii_start().len();
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Wrong> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(found) => Err(self.wrong(&format!(
                "{:?} is expected, not {:?}",
                char::from(byte),
                char::from(found)
            ))),
            None => Err(self.wrong(&format!(
                "{:?} is expected where the file ends; is it cut off?",
                char::from(byte)
            ))),
        }
    }

    fn wrong(&self, reason: &str) -> Wrong {
        (self.at.min(self.text.len()), reason.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str, rows: usize) -> Result<Vec<Option<f64>>, String> {
        of_rows(text, (0..rows).collect())
    }

    fn of_rows(text: &str, rows: Vec<usize>) -> Result<Vec<Option<f64>>, String> {
        parse_scores(Path::new("s.json"), text.as_bytes(), &Positions::new(rows))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn numbers_and_nulls_in_any_order() {
        let scores = parse(" {\"2\": null,\n\"0\" : -1.5e-3, \"1\":7}\n", 3);
        assert_eq!(scores.unwrap(), [Some(-1.5e-3), Some(7.0), None]);
        assert_eq!(parse("{ }", 0).unwrap(), []);
    }

    #[test]
    fn every_misfit_is_named() {
        let text = r#"{"0": NaN, "1": -Infinity, "2": "3", "3": 1e999, "3": 1, "03": 1, "x": 1, "9": 1, "4": 1, "4": null, "5": True, "6": .5}"#;
        let error = parse(text, 8).unwrap_err();
        for expected in [
            "s.json",
            "unique_idx 0 is NaN",
            "unique_idx 1 is -Infinity",
            "unique_idx 2 is \"3\"",
            "unique_idx 3 is 1e999",
            "\"03\" is no unique_idx",
            "\"x\" is no",
            "unique_idx 9 is beyond",
            "unique_idx 4 is given twice",
            "unique_idx 5 is True",
            "unique_idx 6 is .5",
        ] {
            assert!(error.contains(expected), "{expected}: {error}");
        }
        let error = parse(r#"{"0": 1}"#, 3).unwrap_err();
        assert!(
            error.contains("2 rows have no entry") && error.contains("unique_idx 1, 2"),
            "{error}"
        );
    }

    #[test]
    fn a_file_for_the_full_data_set_serves_rows_that_are_left() {
        let text = r#"{"0": 0.5, "1": 1.5, "2": null, "3": 3.5, "4": 4.5}"#;
        assert_eq!(of_rows(text, vec![0, 3]).unwrap(), [Some(0.5), Some(3.5)]);
        assert_eq!(of_rows(text, vec![3, 2]).unwrap(), [Some(3.5), None]);
        let error = of_rows(text, vec![0, 9]).unwrap_err();
        assert!(
            error.contains("write null") && error.contains("unique_idx 9"),
            "{error}"
        );
        // Without gaps the file is for another data set.
        let error = of_rows(text, vec![1, 0]).unwrap_err();
        assert!(error.contains("unique_idx 2 is beyond"), "{error}");
        for (text, expected) in [
            (
                r#"{"0": 1, "2": 1, "9": 1, "9": 2}"#,
                "unique_idx 9 is given twice",
            ),
            (r#"{"0": 1, "2": 1, "9": NaN}"#, "unique_idx 9 is NaN"),
        ] {
            let error = of_rows(text, vec![0, 2]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn broken_files_name_the_line() {
        for (text, expected) in [
            ("", "line 1: '{' is expected where the file ends"),
            ("[1]", "'{' is expected, not '['"),
            ("{\"0\": 1\n\"1\": 2}", "line 2: '}' is expected"),
            ("{\"0\":\n\n [1]}", "line 3: a value is an object or a list"),
            ("{\"0\": 1} x", "more text"),
            ("{\"0\": }", "a number or null"),
            ("{0: 1}", "in quotes"),
        ] {
            let error = parse(text, 1).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let whole = r#"{"0": 1.5, "1": null}"#;
        for length in 0..whole.len() {
            assert!(parse(&whole[..length], 2).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[{}\\[\\]:,\"\\\\0-9a-fNI. \n-]{0,40}") {
            let _ = parse(&text, 3);
        }

        #[test]
        fn numbers_keep_every_bit(values in prop::collection::vec(prop::option::of(-1e300_f64..1e300), 0..30)) {
            let map: serde_json::Map<String, serde_json::Value> =
                values.iter().enumerate().map(|(i, v)| (i.to_string(), serde_json::json!(v))).collect();
            let text = serde_json::Value::from(map).to_string();
            prop_assert_eq!(parse(&text, values.len()).unwrap(), values);
        }
    }
}
