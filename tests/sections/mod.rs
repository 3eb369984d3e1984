//! The sections of a pipeline file that make many of one: `extends`, `matrix`, `tests`.

mod extends;
mod matrix;
mod pipeline_tests;

use crate::support::Project;

/// Four rows with a score each.
pub(super) fn scored() -> Project {
    let project = Project::new();
    project.file(
        "rows.jsonl",
        "{\"s\": 0.1}\n{\"s\": 0.5}\n{\"s\": 0.3}\n{\"s\": 0.2}\n",
    );
    project
}

/// Two nodes over these rows, `count` and `seed` as they are written.
pub(super) fn pipeline(count: &str, seed: &str, more: &str) -> String {
    format!(
        "version: 1\nname: small\nparams: {{ n: 2, seed: 7 }}\nnodes:\n  rows: {{ kind: load.jsonl, path: rows.jsonl }}\n  \
         best: {{ kind: select.top, input: rows, score: rows.s, count: {count} }}\n  \
         one: {{ kind: select.random, input: best, count: 1, seed: {seed} }}\n{more}"
    )
}
