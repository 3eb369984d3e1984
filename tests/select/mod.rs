//! The kinds that choose rows: YAML in, picks out, and what is refused.

mod by_score;
mod by_vectors;
mod dedup;
mod mix;

use serde_json::Value;

use crate::support::Project;

/// `data.jsonl` with these rows, and `p.yaml` that reads it as `rows` before `nodes`.
fn project(rows: &[Value], nodes: &str) -> Project {
    let project = Project::new();
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    project.file("data.jsonl", lines.join("\n"));
    project.nodes(nodes);
    project
}

impl Project {
    /// Writes `p.yaml` anew.
    fn nodes(&self, nodes: &str) {
        self.file(
            "p.yaml",
            format!(
                "version: 1\nnodes:\n  rows: {{ kind: load.jsonl, path: data.jsonl }}\n{nodes}"
            ),
        );
    }

    /// Runs a node, which must succeed and say all of `words`.
    fn made(&self, node: &str, words: &[&str]) {
        let log = self.log(&["--to", node]);
        assert_eq!(log.outcome.status, 0, "{}", log.outcome);
        let said = log.said();
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    }

    /// A column of what a node gave.
    fn given(&self, node: &str, column: &str) -> Vec<Value> {
        let table = self.table(node);
        let rows = table.as_array().expect("rows").iter();
        rows.map(|row| row[column].clone()).collect()
    }

    /// The rows that a node picked, by their places in the data; `pick` counts them.
    fn picked(&self, node: &str) -> Vec<u64> {
        let places = self.given(node, "pick").into_iter().map(|v| v.as_u64());
        let count = places.len() as u64;
        assert_eq!(
            places.collect::<Vec<_>>(),
            (0..count).map(Some).collect::<Vec<_>>()
        );
        let rows = self.given(node, "unique_idx").into_iter();
        rows.map(|row| row.as_u64().expect("a number")).collect()
    }

    /// `trommel check` says all of `words` and ends with status 2.
    fn refuses(&self, words: &[&str]) {
        let told = self.run(&["check", "p.yaml"]).refused();
        for word in words {
            assert!(told.stderr.contains(word), "{word} in {told}");
        }
    }

    /// The run of the node `some` fails with all of `words`.
    fn breaks(&self, words: &[&str]) {
        let told = self.run(&["run", "p.yaml", "--to", "some"]);
        assert_eq!(told.status, 1, "{told}");
        for word in words {
            assert!(told.stderr.contains(word), "{word} in {told}");
        }
    }
}
