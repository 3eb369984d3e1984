//! Why a node runs, as data for programs and in words for people.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// One reason. A node may have several; only what is known is said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// The node of this name in this file has not been run yet.
    New,
    Forced,
    /// Nothing differs from the last run, but its result is not stored any longer.
    NotStored,
    /// Its result is stored without this port, which is now asked for.
    Port {
        port: String,
    },
    Kind {
        from: String,
        to: String,
    },
    Version {
        kind: String,
        from: u32,
        to: u32,
    },
    /// A key of the configuration; one that is not there is null.
    Config {
        key: String,
        from: Option<Json>,
        to: Option<Json>,
    },
    /// Files of a key of the configuration: the path as written, else names inside of it.
    File {
        key: String,
        paths: Vec<String>,
        change: Change,
    },
    /// An input that was not read before, or is not read any longer.
    Input {
        input: String,
        change: Change,
    },
    /// An input is read from somewhere else.
    Reference {
        input: String,
        from: String,
        to: String,
    },
    /// Rows of an input, told apart by their `key`. `changed` rows have the same key and another value in
    /// a column that is read; null where there is too much to compare.
    Rows {
        input: String,
        added: usize,
        changed: Option<usize>,
        removed: usize,
    },
    /// The same rows of an input in another order.
    Order {
        input: String,
    },
    /// Columns of an input (or what the files hold that they name), where no more is known of its rows.
    Column {
        input: String,
        columns: Vec<String>,
    },
    /// Rows that failed and were set aside are tried again.
    Quarantined {
        rows: usize,
    },
    /// A model is fetched from the hub first, and its files decide.
    Fetch {
        key: String,
        model: String,
    },
    /// These nodes come first, and what they give may be something else than before.
    Upstream {
        nodes: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    New,
    Changed,
    Gone,
    /// Another folder; what is in it counts through the rows that point into it.
    Moved,
}

/// Names shown of a list; the rest is counted.
const SHOWN: usize = 3;
/// Characters shown of a value of the configuration.
const WIDEST: usize = 60;

/// Reasons in one line.
pub fn in_words(reasons: &[Reason]) -> String {
    let words: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    words.join("; ")
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new"),
            Self::Forced => f.write_str("forced"),
            Self::NotStored => f.write_str("the cache no longer has it"),
            Self::Port { port } => write!(f, "`{port}` was not kept"),
            Self::Kind { from, to } => write!(f, "kind {from} → {to}"),
            Self::Version { kind, from, to } => write!(f, "version of {kind} {from} → {to}"),
            Self::Config { key, from, to } => {
                write!(f, "{key} {} → {}", value(from.as_ref()), value(to.as_ref()))
            }
            Self::File {
                key,
                paths,
                change: Change::Moved,
            } => write!(f, "{key} is another folder{}", beside(paths)),
            Self::File { key, paths, change } => {
                write!(f, "file of {key} {}{}", change.word(), beside(paths))
            }
            Self::Input { input, change } => write!(f, "{input} {}", change.word()),
            Self::Reference { input, from, to } => write!(f, "{input} {from} → {to}"),
            Self::Rows {
                input,
                added,
                changed,
                removed,
            } => {
                let counts = [
                    (*added, "added"),
                    (changed.unwrap_or(0), "changed"),
                    (*removed, "removed"),
                ];
                let counts = counts.iter().filter(|(count, _)| *count > 0);
                let words: Vec<String> = counts
                    .enumerate()
                    .map(|(number, (count, verb))| match (number, count) {
                        (0, 1) => format!("1 row {verb}"),
                        (0, _) => format!("{count} rows {verb}"),
                        _ => format!("{count} {verb}"),
                    })
                    .collect();
                write!(f, "{input}: {}", words.join(", "))
            }
            Self::Order { input } => write!(f, "{input} in another order"),
            Self::Column { input, columns } => write!(f, "{input} changed{}", beside(columns)),
            Self::Quarantined { rows: 1 } => f.write_str("tries 1 quarantined row again"),
            Self::Quarantined { rows } => write!(f, "tries {rows} quarantined rows again"),
            Self::Fetch { key, model } => {
                write!(f, "{key} is fetched from the hub first ({model})")
            }
            Self::Upstream { nodes } => {
                write!(f, "upstream may change: {}", some_of(nodes))
            }
        }
    }
}

impl Change {
    fn word(self) -> &'static str {
        match self {
            Self::New => "is new",
            Self::Changed => "changed",
            Self::Gone => "is gone",
            Self::Moved => "is another folder",
        }
    }
}

fn value(value: Option<&Json>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    if text.chars().count() <= WIDEST {
        return text;
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

fn beside(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!(" ({})", some_of(names))
}

fn some_of(names: &[String]) -> String {
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn says(reason: &Reason, words: &str, as_json: &Json) {
        assert_eq!(reason.to_string(), words);
        assert_eq!(serde_json::to_value(reason).unwrap(), *as_json);
        let read: Reason = serde_json::from_value(as_json.clone()).unwrap();
        assert_eq!(read, *reason);
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn of_the_node_itself() {
        says(&Reason::New, "new", &json!({"reason": "new"}));
        says(&Reason::Forced, "forced", &json!({"reason": "forced"}));
        says(
            &Reason::NotStored,
            "the cache no longer has it",
            &json!({"reason": "not_stored"}),
        );
        let port = "checkpoint".into();
        says(
            &Reason::Port { port },
            "`checkpoint` was not kept",
            &json!({"reason": "port", "port": "checkpoint"}),
        );
        let (from, to) = ("select.top".into(), "select.random".into());
        says(
            &Reason::Kind { from, to },
            "kind select.top → select.random",
            &json!({"reason": "kind", "from": "select.top", "to": "select.random"}),
        );
        let (kind, from, to) = ("embed.clip".into(), 1, 2);
        says(
            &Reason::Version { kind, from, to },
            "version of embed.clip 1 → 2",
            &json!({"reason": "version", "kind": "embed.clip", "from": 1, "to": 2}),
        );
        says(
            &Reason::Quarantined { rows: 2 },
            "tries 2 quarantined rows again",
            &json!({"reason": "quarantined", "rows": 2}),
        );
    }

    #[test]
    fn of_the_configuration() {
        let config = |from: Option<Json>, to: Option<Json>| Reason::Config {
            key: "rate".into(),
            from,
            to,
        };
        says(
            &config(Some(json!(0.002)), Some(json!(0.004))),
            "rate 0.002 → 0.004",
            &json!({"reason": "config", "key": "rate", "from": 0.002, "to": 0.004}),
        );
        says(
            &config(None, Some(json!("x"))),
            "rate nothing → \"x\"",
            &json!({"reason": "config", "key": "rate", "from": null, "to": "x"}),
        );
        let long = config(Some(json!("ä".repeat(100))), None).to_string();
        assert!(long.chars().count() < 90 && long.contains('…'), "{long}");
    }

    #[test]
    fn of_files() {
        let file = |paths: &[&str], change| Reason::File {
            key: "model".into(),
            paths: names(paths),
            change,
        };
        says(
            &file(&["a", "b", "c", "d"], Change::Changed),
            "file of model changed (a, b, c and 1 more)",
            &json!({"reason": "file", "key": "model", "paths": ["a", "b", "c", "d"], "change": "changed"}),
        );
        let (key, model) = ("model".into(), "org/name".into());
        says(
            &Reason::Fetch { key, model },
            "model is fetched from the hub first (org/name)",
            &json!({"reason": "fetch", "key": "model", "model": "org/name"}),
        );
        assert_eq!(
            file(&["a"], Change::Gone).to_string(),
            "file of model is gone (a)"
        );
        assert_eq!(file(&[], Change::New).to_string(), "file of model is new");
        assert_eq!(
            file(&["images"], Change::Moved).to_string(),
            "model is another folder (images)"
        );
    }

    #[test]
    fn of_inputs() {
        let input = || "input".to_owned();
        says(
            &Reason::Input {
                input: "features judge.judge".into(),
                change: Change::New,
            },
            "features judge.judge is new",
            &json!({"reason": "input", "input": "features judge.judge", "change": "new"}),
        );
        says(
            &Reason::Reference {
                input: input(),
                from: "a".into(),
                to: "b".into(),
            },
            "input a → b",
            &json!({"reason": "reference", "input": "input", "from": "a", "to": "b"}),
        );
        says(
            &Reason::Order { input: input() },
            "input in another order",
            &json!({"reason": "order", "input": "input"}),
        );
        says(
            &Reason::Column {
                input: input(),
                columns: names(&["text", "image"]),
            },
            "input changed (text, image)",
            &json!({"reason": "column", "input": "input", "columns": ["text", "image"]}),
        );
        says(
            &Reason::Upstream {
                nodes: names(&["clip"]),
            },
            "upstream may change: clip",
            &json!({"reason": "upstream", "nodes": ["clip"]}),
        );
    }

    #[test]
    fn of_rows() {
        let rows = |added, changed, removed| Reason::Rows {
            input: "input".into(),
            added,
            changed,
            removed,
        };
        says(
            &rows(1, Some(2), 3),
            "input: 1 row added, 2 changed, 3 removed",
            &json!({"reason": "rows", "input": "input", "added": 1, "changed": 2, "removed": 3}),
        );
        assert_eq!(rows(0, Some(360), 0).to_string(), "input: 360 rows changed");
        says(
            &rows(0, None, 1),
            "input: 1 row removed",
            &json!({"reason": "rows", "input": "input", "added": 0, "changed": null, "removed": 1}),
        );
    }
}
