//! Answers that were recorded elsewhere.

use std::fs;

use serde_json::{Value, json};

use super::server::{Act, Server};
use super::{column, expected, project, texts};
use crate::support::Project;

/// Three rows, and recorded answers to the first two.
fn recorded(server: Option<&Server>) -> Project {
    let project = match server {
        Some(server) => project(server, &texts(3), "    responses: said"),
        None => {
            let project = Project::new();
            super::set_rows(&project, &texts(3));
            let text = "version: 1\nnodes:\n  rows: { kind: load.jsonl, path: rows.jsonl }\n  judge: { kind: score.judge, input: rows, responses: said, on_error: quarantine }\noutputs:\n  - { from: judge, path: out.jsonl, format: jsonl }\n";
            project.file("p.yaml", text);
            project
        }
    };
    for (number, text) in ["4/10", "none"].iter().enumerate() {
        let completion = json!({"choices": [{"message": {"content": text}}]});
        project.file(&format!("said/{number}.json"), completion.to_string());
    }
    project
}

#[test]
fn without_a_server_rows_without_an_answer_fail() {
    let project = recorded(None);
    project.ran(&[]);
    assert_eq!(
        column(&project, "judge", "judge"),
        [json!(4.0), Value::Null, Value::Null]
    );
    assert_eq!(column(&project, "judge", "judge_response")[1], "none");
    let reason = column(&project, "judge.errors", "reason").remove(0);
    let reason = reason.as_str().expect("a reason").to_owned();
    assert!(
        reason.contains("no recorded answer") && reason.ends_with("said/2.json"),
        "{reason}"
    );

    // An answer that comes later is found.
    fs::copy(project.path("said/0.json"), project.path("said/2.json")).expect("copied");
    project.ran(&[]);
    assert_eq!(column(&project, "judge", "judge")[2], 4.0);
    project.file("said/2.json", "{\"choices\": [{\"mess");
    project.ran(&[]);
    let reason = column(&project, "judge.errors", "reason").remove(0);
    assert!(
        reason
            .as_str()
            .expect("a reason")
            .contains("said/2.json: EOF"),
        "{reason}"
    );
}

#[test]
fn with_a_server_the_others_are_asked() {
    let server = Server::start(|_, _| Act::Answer);
    let project = recorded(Some(&server));
    project.ran(&[]);
    let marks = column(&project, "judge", "judge");
    assert_eq!(server.requests(), 1);
    assert_eq!(marks[..2], [json!(4.0), Value::Null]);
    let (mark, wanted) = (marks[2].as_f64(), expected("sample number 2").as_f64());
    assert_eq!(mark.map(|m| m as f32), wanted.map(|m| m as f32));
}
