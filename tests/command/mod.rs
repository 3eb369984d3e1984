//! `score.command` and `embed.command`: programs of the user's own, well behaved and not.
//!
//! `worker.rs` is one that misbehaves as it is told; `python.rs` runs the Python package of `examples/`.

mod faults;
mod files;
mod python;
mod refused;
mod results;

use std::path::PathBuf;

use crate::support::{Log, Project, Record, llava};

/// The answers of the rows.
const TEXTS: [&str; 5] = ["a", "bb", "ccc", "dddd", "eeeee"];

/// The worker that misbehaves, which cargo builds beside the program.
fn worker() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_trommel"));
    program.with_file_name("examples").join("test_worker")
}

/// Five rows, of which the keys in `node` are asked of the worker in `mode`.
fn project(mode: &str, node: &str) -> Project {
    project_of(&TEXTS, mode, node)
}

fn project_of(answers: &[&'static str], mode: &str, node: &str) -> Project {
    let project = Project::new();
    let records: Vec<Record> = answers
        .iter()
        .map(|answer| Record {
            image: None,
            question: "question",
            answer,
        })
        .collect();
    llava(&project, &records);
    project.file("images/.keep", "");
    let command = serde_json::to_string(&[worker().display().to_string().as_str(), mode]);
    pipeline(
        &project,
        &format!("command: {}, {node}", command.expect("JSON")),
    );
    project
}

/// The node `own` with these keys, on `rows`.
fn pipeline(project: &Project, node: &str) {
    let kind = if node.contains(": vector") {
        "embed.command"
    } else {
        "score.command"
    };
    project.file(
        "p.yaml",
        format!(
            "version: 1\nnodes:\n  \
             rows: {{ kind: load.llava, annotations: data.json, images: images }}\n  \
             own: {{ kind: {kind}, input: rows, {node} }}\n\
             outputs:\n  - {{ from: own, path: own.jsonl, format: jsonl }}\n"
        ),
    );
}

/// What [`worker`] gives.
const LENGTH: &str = "reads: [text], gives: { length: f32 }";

impl Project {
    /// Runs `p.yaml`, which must succeed; gives what was computed.
    fn done(&self) -> String {
        let line = self.ran(&[]);
        line.split(';').next().unwrap_or_default().to_owned()
    }

    /// The lengths of the texts, counted here.
    fn expected_lengths(&self) -> Vec<Option<f64>> {
        let rows = self.table("rows");
        let texts = rows.as_array().expect("rows").iter();
        let lengths = texts.map(|row| row["text"].as_str().map(|t| t.chars().count() as f64));
        lengths.collect()
    }

    /// The column `length` of the node `own`; null is none.
    fn lengths(&self) -> Vec<Option<f64>> {
        let rows = self.table("own");
        let rows = rows.as_array().expect("rows");
        rows.iter().map(|row| row["length"].as_f64()).collect()
    }

    /// Runs `p.yaml`, in which the node `own` must fail with all of `words`.
    fn own_fails(&self, words: &[&str]) -> Log {
        let log = self.log(&[]);
        assert_eq!(log.outcome.status, 1, "{}", log.outcome);
        assert!(log.line().contains("FAILED own"), "{}", log.line());
        for word in words {
            assert!(
                log.said().contains(word),
                "{word:?} is not in: {}",
                log.said()
            );
        }
        log
    }
}
