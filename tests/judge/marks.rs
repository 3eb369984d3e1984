//! From answers to columns.

use serde_json::{Value, json};

use super::server::{Act, Server, words};
use super::{column, project, question};
use crate::support::Project;

/// Says the sample back.
fn parrot() -> Server {
    Server::start(|_, body| Act::Say(words(body).replace(&question(""), "")))
}

fn answers(texts: &[&str], settings: &str) -> (Server, Project) {
    let server = parrot();
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    let project = project(&server, &texts, settings);
    (server, project)
}

#[test]
fn what_does_not_parse_is_null_and_its_text_is_kept() {
    let (_server, project) = answers(&["8 / 10", "**7**", "no idea", "Score: 11"], "");
    project.ran(&[]);
    assert_eq!(
        column(&project, "judge", "judge"),
        [json!(8.0), json!(7.0), Value::Null, Value::Null]
    );
    assert_eq!(column(&project, "judge", "judge_response")[2], "no idea");
    assert_eq!(column(&project, "judge", "judge_raw")[3], Value::Null);
}

#[test]
fn the_mean_stands_in_where_that_is_asked_for() {
    let (_server, project) = answers(&["8", "x", "5", "y"], "    on_missing: mean");
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 0, "{}", log.outcome);
    assert!(
        log.said().contains("2 of 4 answers have no mark"),
        "{}",
        log.said()
    );
    assert_eq!(column(&project, "judge", "judge"), [8.0, 6.5, 5.0, 6.5]);
    assert_eq!(
        column(&project, "judge", "judge_raw"),
        [json!(8.0), Value::Null, json!(5.0), Value::Null]
    );

    let (_server, project) = answers(&["x", "y"], "    on_missing: mean");
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1);
    assert!(
        log.said().contains("none of 2 answers has a mark"),
        "{}",
        log.said()
    );
}

#[test]
fn rows_that_fail_are_no_part_of_the_mean() {
    let server = Server::start(
        |_, body| match words(body).replace(&question(""), "").as_str() {
            "bad" => Act::Status(400, vec![], json!({"error": "content filter"})),
            other => Act::Say(other.to_owned()),
        },
    );
    let texts = ["9", "bad", "4", "?"].map(str::to_owned);
    let project = project(
        &server,
        &texts,
        "    on_missing: mean\n    on_error: quarantine",
    );
    project.ran(&[]);
    assert_eq!(
        column(&project, "judge", "judge"),
        [json!(9.0), Value::Null, json!(4.0), json!(6.5)]
    );
    assert_eq!(column(&project, "judge.errors", "unique_idx"), [1]);
    let plan = project.run(&["plan", "p.yaml"]).succeeded();
    assert!(
        plan.stdout.contains("tries 1 quarantined row again"),
        "{plan}"
    );
    project.ran(&[]);
    assert_eq!(server.requests(), 5, "only the failed one is asked again");
    let failing = project
        .read("p.yaml")
        .replace("    on_error: quarantine", "");
    project.file("p.yaml", failing);
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1);
    assert!(
        log.said()
            .contains("1 of 4 rows failed\n  unique_idx 1: HTTP 400: content filter"),
        "{}",
        log.said()
    );
}

#[test]
fn no_mark_can_be_a_fault() {
    let (server, project) = answers(&["8", "no idea"], "    on_missing: fail");
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1);
    assert!(
        log.said()
            .contains("unique_idx 1: no mark in the answer \"no idea\""),
        "{}",
        log.said()
    );
    project.log(&[]);
    assert_eq!(
        server.requests(),
        2,
        "the answer was paid for, whatever it says"
    );
}

#[test]
fn several_dimensions_give_several_columns() {
    let server = Server::start(|_, body| {
        let text = words(body);
        let last = text.chars().next_back().expect("a text");
        Act::Say(match last {
            '0' => r#"{"quality": 8, "difficulty": 3}"#.into(),
            '1' => "```json\n{\"quality\": 9}\n```".into(),
            _ => "sorry".into(),
        })
    });
    let project = project(
        &server,
        &super::texts(3),
        "    dimensions: [quality, difficulty]",
    );
    project.ran(&[]);
    assert_eq!(
        column(&project, "judge", "judge_quality"),
        [json!(8.0), json!(9.0), Value::Null]
    );
    assert_eq!(
        column(&project, "judge", "judge_difficulty"),
        [json!(3.0), Value::Null, Value::Null]
    );
    assert_eq!(
        column(&project, "judge", "judge"),
        [json!(5.5), Value::Null, Value::Null]
    );
    assert_eq!(column(&project, "judge", "judge_response")[2], "sorry");
    let body = server.seen().remove(0).body;
    let schema = &body["response_format"]["json_schema"]["schema"];
    assert_eq!(schema["required"], json!(["quality", "difficulty"]));
    assert_eq!(body["max_tokens"], 50);
}

#[test]
fn rows_without_anything_to_judge_are_not_asked_about() {
    let server = parrot();
    let project = project(&server, &[], "    on_missing: mean");
    project.file(
        "rows.jsonl",
        "{\"text\": \"8\"}\n{\"text\": null}\n{\"text\": \"4\"}",
    );
    project.ran(&[]);
    assert_eq!(server.requests(), 2);
    assert_eq!(
        column(&project, "judge", "judge"),
        [json!(8.0), Value::Null, json!(4.0)]
    );
}
