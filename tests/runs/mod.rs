//! The record that every run leaves, `trommel runs`, and `trommel compare`.

mod compare;
mod records;
mod screen;
mod verify;

use serde_json::Value;

use crate::support::Project;

const PIPELINE: &str = "\
version: 1
name: small
params: { keep: 4, seed: 1, file: data.jsonl }
nodes:
  rows: { kind: load.jsonl, path: \"${file}\" }
  best: { kind: select.top, input: rows, score: rows.score, count: \"${keep}\" }
  some: { kind: select.random, input: rows, count: 5, seed: \"${seed}\" }
outputs:
  - { from: best, path: best.jsonl, format: jsonl }
  - { from: some, path: some.jsonl, format: jsonl }
";

/// Ten records of two sorts; the score falls from row to row, the text grows.
fn project() -> Project {
    let project = Project::new();
    let records: Vec<String> = (0..10)
        .map(|n: usize| {
            let sort = if n < 5 { "early" } else { "late" };
            let (score, text) = (10 - n, "x".repeat(10 * n));
            format!("{{\"id\": \"r{n}\", \"sort\": \"{sort}\", \"score\": {score}.5, \"text\": \"{text}\"}}")
        })
        .collect();
    project
        .file("data.jsonl", records.join("\n"))
        .file("p.yaml", PIPELINE);
    project
}

/// What a call printed as JSON.
fn json(project: &Project, arguments: &[&str]) -> Value {
    let outcome = project.run(arguments).succeeded();
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| panic!("{e}: {outcome}"))
}

/// The record of the newest run.
fn last(project: &Project) -> Value {
    json(project, &["runs", "last", "--json"])
}

/// What differs from run to run and from machine to machine becomes the same.
fn masked(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let machine = ["machine ", "memory ", "started "]
            .iter()
            .find(|name| line.starts_with(**name));
        if let Some(name) = machine {
            lines.push(format!("{name}[..]"));
            continue;
        }
        let words = line.split(' ').map(|word| {
            // Times have two decimals; shares have one, correlations three.
            let is_time = word.split_once('.').is_some_and(|(whole, part)| {
                part.len() == 2 && whole.parse::<u64>().is_ok() && part.parse::<u64>().is_ok()
            });
            if word.len() == 25 && word.contains("Z-") {
                "[RUN]"
            } else if is_time {
                "[T]"
            } else {
                word
            }
        });
        lines.push(words.collect::<Vec<_>>().join(" "));
    }
    lines.join("\n")
}
