//! What a run did, in one line: which nodes ran (of row-wise ones: how many rows), what was written.

use std::collections::HashSet;

use serde_json::Value;

use super::golden::NODES;
use super::{Outcome, Project};

/// The events of `trommel run FILE --json`.
pub(crate) struct Log {
    pub(crate) outcome: Outcome,
    events: Vec<Value>,
}

impl Log {
    pub(crate) fn of(outcome: Outcome) -> Self {
        let events = outcome
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
            .collect();
        Self { outcome, events }
    }

    fn named(&self, event: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |e| e["event"] == event)
    }

    /// `rows, clip 1/22, stage1; wrote out.json`. Nodes stand in the order of the pipeline, not of time.
    pub(crate) fn line(&self) -> String {
        let by_rows: HashSet<&str> = self
            .named("chunk")
            .filter_map(|e| e["node"].as_str())
            .collect();
        let mut ran: Vec<(usize, String)> = self
            .named("node_done")
            .map(|e| {
                let name = e["node"].as_str().unwrap_or_default();
                let place = NODES.iter().position(|n| *n == name).unwrap_or(NODES.len());
                let mut text = name.to_owned();
                if by_rows.contains(name) {
                    text += &format!(" {}/{}", e["computed"], e["rows"]);
                }
                (place, text)
            })
            .collect();
        ran.sort();
        let ran: Vec<String> = ran.into_iter().map(|(_, text)| text).collect();
        let mut parts = vec![if ran.is_empty() {
            "nothing".to_owned()
        } else {
            ran.join(", ")
        }];
        for (event, verb) in [
            ("output_written", "wrote"),
            ("output_unchanged", "kept"),
            ("output_failed", "FAILED"),
        ] {
            for e in self.named(event) {
                let path = e["path"].as_str().unwrap_or_default();
                parts.push(format!(
                    "{verb} {}",
                    path.rsplit('/').next().unwrap_or(path)
                ));
            }
        }
        for e in self.named("node_failed") {
            parts.push(format!("FAILED {}", e["node"].as_str().unwrap_or_default()));
        }
        parts.join("; ")
    }

    /// What nodes and outputs said, failures and warnings, and the text on stderr.
    pub(crate) fn said(&self) -> String {
        let texts = self
            .events
            .iter()
            .flat_map(|e| [&e["message"], &e["help"]])
            .filter_map(Value::as_str);
        texts
            .chain([self.outcome.stderr.as_str()])
            .collect::<Vec<_>>()
            .join("\n")
    }
}

impl Project {
    /// Runs `p.yaml`, whatever comes of it.
    pub(crate) fn log(&self, arguments: &[&str]) -> Log {
        let mut call = vec!["run", "p.yaml", "--json"];
        call.extend(arguments);
        Log::of(self.run(&call))
    }

    /// Runs `p.yaml`, which must succeed; gives what was done in one line.
    pub(crate) fn ran(&self, arguments: &[&str]) -> String {
        let log = self.log(arguments);
        assert_eq!(log.outcome.status, 0, "{}", log.outcome);
        log.line()
    }

    /// A node's table as JSON.
    pub(crate) fn table(&self, node: &str) -> Value {
        let shown = self
            .run(&["show", "p.yaml", node, "--format", "json"])
            .succeeded();
        serde_json::from_str(&shown.stdout).expect("JSON")
    }
}
