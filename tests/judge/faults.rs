//! Storms of faults: every row gets the answer to its own question or is reported, and nothing is asked for nothing.
#![expect(
    clippy::print_stdout,
    reason = "a test tells how many requests it took"
)]

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use super::server::{Act, Server, words};
use super::{all_marked, column, project, question, texts};
use crate::support::Random;

/// Every fourth request or so goes wrong, each time in another way.
fn some_fault(random: &mut Random) -> Act {
    match random.below(32) {
        0 => Act::Status(
            429,
            vec![("Retry-After", "0.05".into())],
            json!({"error": {"message": "slow down"}}),
        ),
        1 => Act::Status(429, vec![("retry-after-ms", "20".into())], json!({})),
        2 => Act::Status(500, vec![], json!({"error": "oops"})),
        3 => Act::Status(503, vec![], json!("busy")),
        4 => Act::Reset,
        5 => Act::Cut,
        6 => Act::Garbage,
        7 => Act::Wait(Duration::from_millis(700)),
        _ => Act::Answer,
    }
}

#[test]
fn a_storm_of_faults_costs_requests_and_no_row() {
    let mut random = Random::new();
    let server = Server::start(move |_, _| some_fault(&mut random));
    let texts = texts(400);
    let project = project(
        &server,
        &texts,
        "    timeout: 0.5\n    concurrency: 16\n    attempts: 20",
    );
    let fixed = project.read("p.yaml").replace("    timeout: 5\n", "");
    project.file("p.yaml", fixed);
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 0, "{}", log.outcome);
    all_marked(&project, &texts);
    let requests = server.requests();
    println!("{requests} requests for {} rows", texts.len());
    assert!(requests > texts.len(), "there were faults");
    assert!(
        log.said()
            .contains(&format!("{requests} requests sent for 400 answers")),
        "{}",
        log.said()
    );
    // An answer that came too late was given twice; no other was.
    let twice = server
        .answered()
        .values()
        .filter(|count| **count > 1)
        .count();
    assert!(twice < 60, "{twice} questions were answered more than once");
    assert!(
        server.most_in_flight() <= 16 + 16,
        "slow ones go on at the server after their time-out"
    );
    // All is there.
    assert_eq!(project.ran(&[]), "nothing; kept out.jsonl");
    assert_eq!(server.requests(), requests);
}

#[test]
fn what_cannot_be_answered_is_reported_and_only_that_is_tried_again() {
    let bad = |words: &str| words.ends_with('7');
    let server = Server::start(move |_, body| {
        let flagged =
            json!({"error": {"message": "content policy", "code": "content_policy_violation"}});
        if bad(&words(body)) {
            Act::Status(400, vec![], flagged)
        } else {
            Act::Answer
        }
    });
    let texts = texts(40);
    let project = project(&server, &texts, "");
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    assert!(log.said().contains("4 of 40 rows failed"), "{}", log.said());
    assert!(
        log.said()
            .contains("unique_idx 17: HTTP 400: content policy"),
        "{}",
        log.said()
    );
    assert_eq!(server.requests(), 40);

    let quarantine = project
        .read("p.yaml")
        .replace("model: tiny", "model: tiny\n    on_error: quarantine");
    project.file("p.yaml", quarantine);
    project.ran(&[]);
    assert_eq!(
        server.requests(),
        44,
        "only the failed rows were asked again"
    );
    let numbers = column(&project, "judge.errors", "unique_idx");
    assert_eq!(numbers, [7, 17, 27, 37]);
    let marks = column(&project, "judge", "judge");
    assert_eq!(marks.iter().filter(|mark| mark.is_null()).count(), 4);

    server.becomes(|_, _| Act::Answer);
    project.ran(&[]);
    assert_eq!(server.requests(), 48);
    all_marked(&project, &texts);
    let asked: HashMap<String, usize> = server.answered();
    assert!(asked.values().all(|count| *count == 1));
    assert_eq!(asked.len(), 40);
    assert!(asked.contains_key(&question("sample number 7")));
}

#[test]
fn a_server_that_never_comes_back_ends_the_node_with_a_reason() {
    let server = Server::start(|number, _| if number < 20 { Act::Answer } else { Act::Reset });
    let project = project(&server, &texts(60), "    attempts: 2\n    concurrency: 4");
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1);
    assert!(
        log.said()
            .contains("no answer to the last 8 rows, after 2 attempts each"),
        "{}",
        log.said()
    );
    let before = server.requests();
    server.becomes(|_, _| Act::Answer);
    project.ran(&[]);
    assert_eq!(server.requests() - before, 40, "20 answers were kept");
}

#[test]
fn faults_that_meet_every_row_end_the_node_at_once() {
    let cases = [
        (
            401,
            json!({"error": {"message": "bad key"}}),
            "`api_key` is missing or not valid",
        ),
        (
            404,
            json!({"error": {"message": "no model `tiny`"}}),
            "look at `model` and `endpoint`",
        ),
        (
            400,
            json!({"error": {"message": "no seed", "param": "seed", "code": "unsupported_parameter"}}),
            "body: { NAME: null }",
        ),
        (
            429,
            json!({"error": {"message": "pay", "code": "insufficient_quota"}}),
            "nothing left to pay with",
        ),
    ];
    for (status, body, help) in cases {
        let server = Server::start(move |_, _| Act::Status(status, vec![], body.clone()));
        let project = project(&server, &texts(200), "    on_error: quarantine");
        let log = project.log(&[]);
        assert_eq!(log.outcome.status, 1, "{status}");
        let said = log.said();
        assert!(
            said.contains(&format!("/v1/chat/completions: HTTP {status}: ")),
            "{said}"
        );
        assert!(said.contains(help), "{said}");
        assert!(server.requests() <= 8, "{status}: {}", server.requests());
    }
}
