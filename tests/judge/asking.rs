//! What is asked, and that nothing is asked twice.

use std::fs;

use serde_json::json;

use super::server::{Act, Server, words};
use super::{all_marked, column, pipeline, project, set_rows, texts};
use crate::support::{Record, llava};

#[test]
fn nothing_is_asked_twice() {
    let server = Server::start(|_, _| Act::Answer);
    let mut texts = texts(50);
    let project = project(&server, &texts, "");
    project.ran(&[]);
    assert_eq!(server.requests(), 50);
    all_marked(&project, &texts);

    assert!(project.ran(&[]).starts_with("nothing"));
    let faster = pipeline(
        &server,
        "    concurrency: 3\n    requests_per_minute: 6000\n    attempts: 2",
    );
    project.file("p.yaml", faster);
    assert!(
        project.ran(&[]).starts_with("nothing"),
        "speed is no part of the key"
    );

    texts.reverse();
    set_rows(&project, &texts);
    project.ran(&[]);
    assert_eq!(server.requests(), 50, "other places, the same rows");
    all_marked(&project, &texts);

    texts.insert(10, "a new one".into());
    set_rows(&project, &texts);
    project.ran(&[]);
    assert_eq!(server.requests(), 51);
    all_marked(&project, &texts);

    // Other results from the same answers.
    project.file(
        "p.yaml",
        pipeline(&server, "    parse: first_word\n    on_missing: mean"),
    );
    project.ran(&[]);
    project.ran(&["--force", "judge"]);
    assert_eq!(server.requests(), 51);
    all_marked(&project, &texts);

    // Another question.
    project.file("p.yaml", pipeline(&server, "    temperature: 1"));
    project.ran(&[]);
    assert_eq!(server.requests(), 102);
}

#[test]
fn answers_outlive_all_else_in_the_cache() {
    let server = Server::start(|_, _| Act::Answer);
    let texts = texts(10);
    let project = project(&server, &texts, "");
    project.ran(&["--cache", "c"]);
    for group in ["objects", "tables", "chunks", "rows", "last", "runs"] {
        fs::remove_dir_all(project.path("c").join(group)).expect("removed");
    }
    project.run(&["cache", "gc", "--cache", "c"]).succeeded();
    project.ran(&["--cache", "c"]);
    assert_eq!(server.requests(), 10);
    let usage = project.run(&["cache", "du", "--cache", "c"]).succeeded();
    assert!(usage.stdout.contains("answers"), "{usage}");
    project
        .run(&["cache", "verify", "--cache", "c"])
        .succeeded();

    let gc = ["cache", "gc", "--answers", "--cache", "c"];
    let gone = project.run(&gc).succeeded();
    assert!(gone.stdout.contains("1 files of answers"), "{gone}");
    project.ran(&["--cache", "c", "--force", "judge"]);
    assert_eq!(server.requests(), 20);
}

#[test]
fn two_judges_with_the_same_question_ask_once() {
    let server = Server::start(|_, _| Act::Wait(std::time::Duration::from_millis(10)));
    let texts = texts(60);
    let project = project(&server, &texts, "");
    let twice = project.read("p.yaml");
    let second = twice
        .split("  judge:")
        .nth(1)
        .and_then(|rest| rest.split("outputs:").next())
        .expect("the judge");
    let text = twice.replace("outputs:\n", &format!("  other:{second}    parse: first_word\noutputs:\n  - {{ from: other, path: other.jsonl, format: jsonl }}\n"));
    project.file("p.yaml", text);
    project.ran(&["--jobs", "4"]);
    assert_eq!(server.requests(), 60);
    assert_eq!(
        column(&project, "judge", "judge"),
        column(&project, "other", "judge")
    );
}

#[test]
fn the_request_holds_what_the_configuration_says() {
    let server = Server::start(|_, _| Act::Answer);
    let settings = "    system: You are strict.\n    body: { top_p: 0.5, seed: null }\n    max_tokens: 5\n    api_key: \"${env:TROMMEL_TEST_SECRET}\"";
    let project = project(&server, &texts(1), settings);
    project.ran(&[]);
    let seen = server.seen().remove(0);
    let wanted = json!({
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "You are strict."},
            {"role": "user", "content": "Rate this: sample number 0"},
        ],
        "max_tokens": 5,
        "temperature": 0.0,
        "top_p": 0.5,
    });
    assert_eq!(seen.body, wanted);
    assert_eq!(seen.authorization.as_deref(), Some("Bearer hunter2"));
}

#[test]
fn a_key_is_seen_by_the_server_only() {
    // It says the key back, as some do.
    let server = Server::start(|number, _| {
        let echo = json!({"error": {"message": "the key hunter2 is busy"}});
        if number % 3 == 0 {
            Act::Status(503, vec![], echo)
        } else {
            Act::Answer
        }
    });
    let settings = "    api_key: \"${env:TROMMEL_TEST_SECRET}\"\n    headers: { X-Team: \"${env:TROMMEL_TEST_SECRET}\", X-Plain: a }";
    let project = project(&server, &texts(20), settings);
    let log = project.log(&[]);
    assert!(log.said().contains("the key *** is busy"), "{}", log.said());
    project.run(&["explain", "p.yaml", "judge"]).succeeded();
    let found = project.script("grep -r hunter2 . ; test $? = 1");
    assert_eq!(found.status, 0, "{found}");
    // The key is no part of the question.
    let requests = server.requests();
    let outcome = project.run_with(&[("TROMMEL_TEST_SECRET", "another")], &["run", "p.yaml"]);
    assert_eq!(outcome.status, 0, "{outcome}");
    assert_eq!(server.requests(), requests);
}

#[test]
fn images_are_sent_along_and_count_by_content() {
    let server = Server::start(|_, _| Act::Answer);
    let project = project(&server, &[], "    vision: true");
    let record = |image, question| Record {
        image,
        question,
        answer: "yes",
    };
    llava(
        &project,
        &[record(Some("a.png"), "What?"), record(None, "Why?")],
    );
    let text = project.read("p.yaml").replace(
        "load.jsonl, path: rows.jsonl",
        "load.llava, annotations: data.json, images: images",
    );
    project.file("p.yaml", text);
    project.ran(&[]);
    let mut seen: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| seen.body["messages"][0]["content"].to_string())
        .collect();
    seen.sort();
    assert_eq!(seen[0], "\"Rate this: USER: Why? ASSISTANT: yes\"");
    assert!(
        seen[1].contains("data:image/png;base64,iVBORw0KGgo"),
        "{}",
        seen[1]
    );

    fs::rename(project.path("images/a.png"), project.path("images/b.png")).expect("renamed");
    let renamed = project.read("data.json").replace("a.png", "b.png");
    project.file("data.json", renamed);
    project.ran(&[]);
    assert_eq!(server.requests(), 2, "the same image under another name");
    let mut bytes = fs::read(project.path("images/b.png")).expect("the image");
    bytes.push(0);
    project.file("images/b.png", bytes);
    project.ran(&[]);
    assert_eq!(server.requests(), 3);
}

#[test]
fn the_record_is_in_scope() {
    let server = Server::start(|_, body| Act::Say(words(body)));
    let project = project(&server, &[], "");
    llava(
        &project,
        &[Record {
            image: None,
            question: "How many?",
            answer: "4",
        }],
    );
    let prompt =
        "{{ raw.id }}: {{ conversations | length }} turns, {{ conversations[1].value }} of 10";
    let text = project
        .read("p.yaml")
        .replace(
            "load.jsonl, path: rows.jsonl",
            "load.llava, annotations: data.json",
        )
        .replace("Rate this: {{ text }}", prompt);
    project.file("p.yaml", text);
    project.ran(&[]);
    let said = column(&project, "judge", "judge_response");
    assert_eq!(said, ["record-0: 2 turns, 4 of 10"]);
    let marks = column(&project, "judge", "judge");
    assert_eq!(marks, [2.0], "`record-0` is a word");
}
