//! Changes that change results: what depends on them runs, and nothing else.

use std::fs;

use serde_json::{Value, json};

use crate::support::Project;
use crate::support::golden::{copy_folder, edit_records, golden, records, set_records};

const ALL: &str = "rows, clip 21/21, stage1, difficulty, selected; wrote out.json";

fn ran_once() -> Project {
    let project = golden();
    assert_eq!(project.ran(&[]), ALL);
    project
}

/// A run from nothing must give what the increments gave.
fn same_from_cold(project: &Project, arguments: &[&str]) {
    let output = project.read("out.json");
    let incremental = tables(project, arguments);
    let cold = [arguments, &["--cache", "cold"]].concat();
    project.ran(&cold);
    for (warm, cold) in incremental.iter().zip(&tables(project, &cold)) {
        close(warm, cold);
    }
    assert_eq!(project.read("out.json"), output);
}

fn tables(project: &Project, arguments: &[&str]) -> Vec<Value> {
    ["rows", "clip", "stage1", "difficulty", "selected"]
        .iter()
        .map(|node| {
            let call = [&["show", "p.yaml", node, "--format", "json"], arguments].concat();
            serde_json::from_str(&project.run(&call).succeeded().stdout).expect("JSON")
        })
        .collect()
}

/// Equal but for the rounding of numbers: matrix products of few rows add up in another order than those of many.
fn close(a: &Value, b: &Value) {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| close(a, b));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{a:?} and {b:?}");
            a.values().zip(b.values()).for_each(|(a, b)| close(a, b));
        }
        (Value::Number(x), Value::Number(y)) if x.is_f64() => {
            let (x, y) = (
                x.as_f64().unwrap_or(f64::NAN),
                y.as_f64().unwrap_or(f64::NAN),
            );
            assert!((x - y).abs() < 1e-5, "{x} and {y}");
        }
        (a, b) => assert_eq!(a, b),
    }
}

fn fresh(text: &str) -> Value {
    json!({ "id": "fresh", "image": "plain.png", "conversations": [
        { "from": "human", "value": format!("<image>\n{text}") },
        { "from": "gpt", "value": "A new answer." },
    ] })
}

#[test]
fn the_count_runs_the_selection() {
    let project = ran_once();
    assert_eq!(
        project.ran(&["--set", "count=5"]),
        "selected; wrote out.json"
    );
    assert_eq!(
        project.ran(&["--set", "count=8"]),
        "nothing; wrote out.json"
    );
    assert_eq!(records_out(&project), 8);
}

fn records_out(project: &Project) -> usize {
    let out: Vec<Value> = serde_json::from_str(&project.read("out.json")).expect("JSON");
    out.len()
}

#[test]
fn the_learning_rate_runs_training_and_what_is_behind() {
    let project = ran_once();
    let set = ["--set", "learning_rate=0.004"];
    assert_eq!(
        project.ran(&set),
        "stage1, difficulty, selected; wrote out.json"
    );
    same_from_cold(&project, &set);
}

#[test]
fn a_record_more_is_one_row_of_embeddings() {
    let project = ran_once();
    edit_records(&project, |records| records.push(fresh("What is new?")));
    assert_eq!(
        project.ran(&[]),
        "rows, clip 1/22, stage1, difficulty, selected; wrote out.json"
    );
    edit_records(&project, |records| {
        records.insert(0, fresh("What is first?"));
    });
    assert_eq!(
        project.ran(&[]),
        "rows, clip 1/23, stage1, difficulty, selected; wrote out.json"
    );
    same_from_cold(&project, &[]);
}

#[test]
fn an_edited_text_is_one_row_of_embeddings() {
    let project = ran_once();
    edit_records(&project, |records| {
        records[4]["conversations"][1]["value"] = json!("Another answer.");
    });
    assert_eq!(
        project.ran(&[]),
        "rows, clip 1/21, stage1, difficulty, selected; wrote out.json"
    );
    same_from_cold(&project, &[]);
}

#[test]
fn a_removed_record_is_no_row_of_embeddings() {
    let project = ran_once();
    let before = records(&project);
    edit_records(&project, |records| drop(records.remove(6)));
    assert_eq!(
        project.ran(&[]),
        "rows, clip 0/20, stage1, difficulty, selected; wrote out.json"
    );
    same_from_cold(&project, &[]);
    set_records(&project, &before);
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
}

#[test]
fn another_image_is_the_rows_that_show_it() {
    let project = ran_once();
    edit_records(&project, |records| {
        records[3]["image"] = json!("photo_420.jpg");
    });
    assert_eq!(
        project.ran(&[]),
        "rows, clip 1/21, stage1, difficulty, selected; wrote out.json"
    );
    // The content of a file that two records show.
    fs::copy(
        project.path("images/tall.jpg"),
        project.path("images/photo_420.jpg"),
    )
    .expect("copied");
    assert_eq!(
        project.ran(&[]),
        "clip 2/21, stage1, difficulty, selected; wrote out.json"
    );
    same_from_cold(&project, &[]);
}

#[test]
fn equal_annotations_beside_other_images_are_other_rows() {
    let project = golden();
    project.file(
        "p.yaml",
        "version: 1\nparams: { folder: images }\nnodes:\n  \
         rows: { kind: load.llava, annotations: \"${folder}/data.json\" }\n\
         outputs:\n  - { from: rows, path: out.json, format: llava }\n",
    );
    copy_folder(&project.path("images"), &project.path("others"));
    for folder in ["images", "others"] {
        project.file(&format!("{folder}/data.json"), project.read("data.json"));
    }
    assert_eq!(project.ran(&[]), "rows; wrote out.json");
    assert_eq!(
        project.ran(&["--set", "folder=others"]),
        "rows; wrote out.json"
    );
    let call = [
        "show",
        "p.yaml",
        "rows",
        "--set",
        "folder=others",
        "--format",
        "json",
    ];
    let rows: Value = serde_json::from_str(&project.run(&call).succeeded().stdout).expect("JSON");
    assert_eq!(rows[0]["image"], "[FOLDER]/others/photo_420.jpg");
}

#[test]
fn other_features_run_what_they_need() {
    let project = ran_once();
    let scores = [
        "--set",
        "features=[clip_score.clip_score, reward.image_reward, judge.judge]",
    ];
    let expected = "clip_score 21/21, reward, judge, stage1, difficulty, selected; wrote out.json";
    assert_eq!(project.ran(&scores), expected);
    let two = ["--set", "features=[judge.judge, clip_score.clip_score]"];
    assert_eq!(
        project.ran(&two),
        "stage1, difficulty, selected; wrote out.json"
    );
    same_from_cold(&project, &two);
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
}

#[test]
fn to_runs_what_a_node_needs_and_writes_nothing() {
    let project = golden();
    assert_eq!(project.ran(&["--to", "clip"]), "rows, clip 21/21");
    assert_eq!(project.ran(&["--to", "judge"]), "judge");
    assert!(!project.path("out.json").exists());
    assert_eq!(
        project.ran(&[]),
        "stage1, difficulty, selected; wrote out.json"
    );
}

#[test]
fn the_reason_is_named() {
    let project = ran_once();
    let told = project
        .run(&["run", "p.yaml", "--set", "learning_rate=0.004"])
        .succeeded();
    assert!(
        told.stderr.contains("learning_rate 0.002 → 0.004"),
        "{told}"
    );
    assert!(told.stderr.contains("score_net changed"), "{told}");
}
