//! `score.judge` against a server on loopback that fails in every way a server can, and against recorded answers.

mod asking;
mod faults;
mod limits;
mod marks;
mod recorded;
mod refused;
mod server;
mod stops;

use serde_json::{Value, json};

use crate::support::Project;
use server::{Server, mark};

/// A pipeline with one judge over `rows.jsonl`; `settings` are further keys of the judge.
fn pipeline(server: &Server, settings: &str) -> String {
    let endpoint = &server.endpoint;
    format!(
        "version: 1
nodes:
  rows: {{ kind: load.jsonl, path: rows.jsonl }}
  judge:
    kind: score.judge
    input: rows
    endpoint: \"{endpoint}\"
    model: tiny
    prompt: \"Rate this: {{{{ text }}}}\"
    timeout: 5
{settings}
outputs:
  - {{ from: judge, path: out.jsonl, format: jsonl }}
"
    )
}

/// A project whose rows are `texts`.
fn project(server: &Server, texts: &[String], settings: &str) -> Project {
    let project = Project::new();
    set_rows(&project, texts);
    project.file("p.yaml", pipeline(server, settings));
    project
}

fn set_rows(project: &Project, texts: &[String]) {
    let lines = texts.iter().map(|text| json!({ "text": text }).to_string());
    project.file("rows.jsonl", lines.collect::<Vec<_>>().join("\n"));
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("sample number {n}")).collect()
}

/// The question of a text.
fn question(text: &str) -> String {
    format!("Rate this: {text}")
}

/// What the server thinks of a text, as it stands in the table.
fn expected(text: &str) -> Value {
    json!(mark(&question(text)) as f32)
}

/// A column of a node's table.
fn column(project: &Project, node: &str, name: &str) -> Vec<Value> {
    let table = project.table(node);
    let rows = table.as_array().expect("rows");
    rows.iter().map(|row| row[name].clone()).collect()
}

/// Every row has the mark of its own text.
fn all_marked(project: &Project, texts: &[String]) {
    let marks = column(project, "judge", "judge");
    assert_eq!(marks.len(), texts.len());
    for (text, mark) in texts.iter().zip(marks) {
        let (mark, wanted) = (mark.as_f64().expect("a mark"), expected(text).as_f64());
        let wanted = wanted.expect("a number");
        assert!((mark - wanted).abs() < 1e-6, "{text}: {mark} for {wanted}");
    }
}
