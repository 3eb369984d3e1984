//! Files of scores and of vectors that do not fit.

use serde_json::Value;

use super::PLAIN;
use crate::support::{Project, Record, llava, repository};

fn three_records() -> Project {
    let project = Project::new();
    let record = |answer| Record {
        image: None,
        question: "q",
        answer,
    };
    llava(&project, &[record("a"), record("b"), record("c")]);
    project.file("images/.keep", "");
    project
}

fn with_scores(text: &str) -> Project {
    let project = three_records();
    let pipeline = PLAIN.replace(
        "some: { kind: select.random, input: rows, count: 2 }",
        "judge: { kind: load.scores, input: rows, path: judge.json, column: judge }\n  \
         some: { kind: select.top, input: rows, score: judge.judge, count: 2 }",
    );
    project.file("p.yaml", pipeline).file("judge.json", text);
    project
}

#[test]
fn scores_that_do_not_fit_are_named() {
    let cases: [(&str, &[&str]); 11] = [
        (
            r#"{"0": 1, "1": NaN, "2": 3}"#,
            &["judge.json", "unique_idx 1", "NaN"],
        ),
        (
            r#"{"0": 1, "1": 2, "2": Infinity}"#,
            &["unique_idx 2", "Infinity"],
        ),
        (
            r#"{"0": -Infinity, "1": 2, "2": 3}"#,
            &["unique_idx 0", "Infinity"],
        ),
        (r#"{"0": 1, "1": "2", "2": 3}"#, &["unique_idx 1", "\"2\""]),
        (
            r#"{"0": 1, "1": 2, "2": 3, "3": 4}"#,
            &["unique_idx 3 is beyond the last row"],
        ),
        (
            r#"{"0": 1, "1": 2, "2": 3, "x": 4}"#,
            &["the key \"x\" is no unique_idx"],
        ),
        (
            r#"{"0": 1, "1": 2}"#,
            &["judge.json does not fit a data set of 3 rows", "2"],
        ),
        (
            r#"{"0": 1, "1": 2, "2": 3, "1": 4}"#,
            &["unique_idx 1 is given twice"],
        ),
        (
            "[1, 2, 3]",
            &["judge.json is not a JSON object of scores", "line 1"],
        ),
        ("", &["judge.json is not a JSON object of scores"]),
        (
            "{\"0\": 1,\n\"1\": 2,\n",
            &["judge.json is not a JSON object of scores", "line 3"],
        ),
    ];
    for (text, words) in cases {
        with_scores(text).fails(words);
    }
}

#[test]
fn a_row_without_a_score_is_not_picked_and_said_so() {
    let project = with_scores(r#"{"0": null, "1": 2, "2": 1e300}"#);
    project.passes(&[
        "1 of 3 rows have no score in",
        "judge.json",
        "1 of 3 rows have no score and are not picked",
    ]);
    let picked: Vec<Value> = serde_json::from_str(&project.read("out.json")).expect("JSON");
    let ids: Vec<&Value> = picked.iter().map(|r| &r["id"]).collect();
    assert_eq!(ids, ["record-2", "record-1"]);
}

#[test]
fn a_wrong_number_of_vectors_is_refused() {
    let project = three_records();
    let pipeline = PLAIN.replace(
        "some: { kind: select.random, input: rows, count: 2 }",
        "judge: { kind: load.scores, input: rows, path: judge.json, column: judge }\n  \
         clip: { kind: load.vectors, input: rows, path: clip.safetensors, column: clip }\n  \
         some: { kind: select.diverse, input: rows, score: judge.judge, vectors: clip.clip, count: 2, k: 1 }",
    );
    project
        .file("p.yaml", pipeline)
        .file("judge.json", r#"{"0": 1, "1": 2, "2": 3}"#);
    let vectors = repository("tests/golden/data/scores/llava_clip_feature.safetensors");
    std::fs::copy(vectors, project.path("clip.safetensors")).expect("copied");
    project.fails(&["clip.safetensors", "21", "3"]);
    project.file("clip.safetensors", "no vectors");
    project.fails(&["clip.safetensors"]);
}
