//! Counts and neighbours beyond what there is.

use serde_json::{Value, json};

use super::PLAIN;
use crate::support::{Project, Record, llava, npy};

/// Four records on a line: vectors by hand in a .npy file, scores 4, 3, 2, 1.
fn four(count: i64, k: usize) -> Project {
    let project = Project::new();
    let record = |answer| Record {
        image: None,
        question: "q",
        answer,
    };
    llava(
        &project,
        &[record("a"), record("b"), record("c"), record("d")],
    );
    let pipeline = PLAIN.replace(
        "some: { kind: select.random, input: rows, count: 2 }",
        &format!(
            "judge: {{ kind: load.scores, input: rows, path: judge.json, column: judge }}\n  \
             clip: {{ kind: load.vectors, input: rows, path: clip.npy, column: clip }}\n  \
             some: {{ kind: select.diverse, input: rows, score: judge.judge, vectors: clip.clip, count: {count}, k: {k} }}"
        ),
    );
    let rows = [[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]];
    project
        .file("p.yaml", pipeline)
        .file("images/.keep", "")
        .file("clip.npy", npy(&rows.map(Vec::from)))
        .file("judge.json", r#"{"0": 4, "1": 3, "2": 2, "3": 1}"#);
    project
}

fn picked(project: &Project) -> Vec<Value> {
    let rows = project.table("some");
    rows.as_array()
        .expect("a list")
        .iter()
        .map(|row| row["unique_idx"].clone())
        .collect()
}

#[test]
fn a_count_beyond_the_rows_picks_all_and_says_so() {
    let project = four(9, 1);
    project.passes(&["`count` is 9", "only 4 rows can be picked"]);
    let mut all = picked(&project);
    all.sort_by_key(Value::as_u64);
    assert_eq!(all, [json!(0), json!(1), json!(2), json!(3)]);
}

#[test]
fn more_neighbours_than_are_left_is_all_that_are_left() {
    let many = four(4, 100);
    many.passes(&[]);
    let three = four(4, 3);
    three.passes(&[]);
    assert_eq!(many.table("some"), three.table("some"));
    assert_eq!(picked(&many).len(), 4);
}

#[test]
fn a_count_of_zero_picks_none() {
    let project = four(0, 1);
    let log = project.log(&[]);
    match log.outcome.status {
        0 => assert_eq!(picked(&project), Vec::<Value>::new()),
        status => {
            assert_eq!(status, 2, "{}", log.outcome);
            assert!(log.said().contains("count"), "{}", log.outcome);
        }
    }
}

#[test]
fn a_negative_count_is_refused() {
    four(-1, 1).is_refused(&["count"]);
}
