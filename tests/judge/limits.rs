//! What a run may send and spend, and what the plan says of it beforehand.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{Act, Server};
use super::{all_marked, project, texts};
use crate::support::Project;

fn estimate(project: &Project) -> Value {
    let plan = project.run(&["plan", "p.yaml", "--json"]).succeeded();
    let plan: Value = serde_json::from_str(&plan.stdout).expect("JSON");
    let nodes = plan["nodes"].as_array().expect("nodes").clone();
    nodes
        .into_iter()
        .find(|node| node["node"] == "judge")
        .expect("the judge")["estimate"]
        .clone()
}

#[test]
fn a_run_sends_no_more_than_it_may_and_the_next_goes_on() {
    let server = Server::start(|_, _| Act::Answer);
    let texts = texts(25);
    let project = project(&server, &texts, "    max_requests: 10");
    for sent in [10, 20] {
        let log = project.log(&[]);
        assert_eq!(log.outcome.status, 1);
        let said = log.said();
        assert!(said.contains("this run may send 10 requests (`max_requests`), and there is more to ask: 10 requests sent"), "{said}");
        assert_eq!(server.requests(), sent);
    }
    project.ran(&[]);
    assert_eq!(server.requests(), 25);
    all_marked(&project, &texts);
}

#[test]
fn a_run_costs_no_more_than_it_may() {
    // Each answer takes 100 tokens in and 10 out by the server's count: 0.0002 of the currency.
    let server = Server::start(|_, _| Act::Answer);
    let settings = "    price: { input: 1, output: 10 }\n    max_cost: 0.0041\n    concurrency: 4";
    let project = project(&server, &texts(100), settings);
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1);
    let said = log.said();
    assert!(
        said.contains("this run may cost 0.0041 (`max_cost`)"),
        "{said}"
    );
    assert!(
        (15..=20).contains(&server.requests()),
        "{}",
        server.requests()
    );
}

#[test]
fn the_plan_tells_what_there_is_to_ask() {
    let server = Server::start(|_, _| Act::Answer);
    let mut rows = texts(40);
    let project = project(
        &server,
        &rows,
        "    price: { input: 1, output: 4 }\n    max_requests: 30",
    );
    assert_eq!(
        estimate(&project),
        Value::Null,
        "the rows are not known yet"
    );
    project.run(&["run", "p.yaml", "--to", "rows"]).succeeded();
    let first = estimate(&project);
    assert_eq!(
        (&first["requests"], &first["answered"]),
        (&json!(40), &json!(0))
    );
    let (input, output) = (
        first["input_tokens"].as_f64(),
        first["output_tokens"].as_f64(),
    );
    assert_eq!(output, Some(400.0));
    let cost = input.expect("a number").mul_add(1e-6, 400.0 * 4e-6);
    assert!(
        (first["cost"].as_f64().expect("a number") - cost).abs() < 1e-9,
        "{first}"
    );
    assert_eq!(server.requests(), 0);

    assert_eq!(project.log(&[]).outcome.status, 1);
    let second = estimate(&project);
    assert_eq!(
        (&second["requests"], &second["answered"]),
        (&json!(10), &json!(30))
    );
    let words = project.run(&["plan", "p.yaml"]).succeeded();
    assert!(
        words
            .stdout
            .contains("judge: 10 requests to send (30 answers are there), about "),
        "{words}"
    );

    project.ran(&[]);
    assert_eq!(estimate(&project), Value::Null);
    rows.push("one more".into());
    super::set_rows(&project, &rows);
    project.run(&["run", "p.yaml", "--to", "rows"]).succeeded();
    assert_eq!(estimate(&project)["requests"], json!(1));
}

#[test]
fn requests_a_minute_and_retry_after_are_kept_to() {
    let server = Server::start(|_, _| Act::Answer);
    let project = project(&server, &texts(10), "    requests_per_minute: 1200");
    let start = Instant::now();
    project.ran(&[]);
    assert!(
        start.elapsed() >= Duration::from_millis(450),
        "ten requests, 50 ms between them"
    );

    let mut first = None;
    let server = Server::start(move |number, _| {
        let now = Instant::now();
        if number == 0 {
            first = Some(now);
            return Act::Status(429, vec![("Retry-After", "1".into())], json!({}));
        }
        if number == 1 {
            // A busy machine has read the refusal by the time that the others are answered.
            std::thread::sleep(Duration::from_millis(300));
        }
        // Those that were under way when it was said.
        let early = first.is_some_and(|first| now - first < Duration::from_millis(900));
        if early && number > 3 {
            return Act::Say("too early".into());
        }
        Act::Answer
    });
    let texts = texts(30);
    let project = super::project(&server, &texts, "    concurrency: 4");
    project.ran(&[]);
    all_marked(&project, &texts);
    assert_eq!(server.requests(), 31);
}
