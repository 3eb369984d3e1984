//! Selections over made-up vectors: ties, duplicates, negative difficulties, few rows left, many rows.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::compare::Deviation;
use super::pipeline::Pipeline;
use super::recorded::{Event, Recorded};
use super::tensors::Tensor;
use crate::support::Project;

/// A recorded selection. A run of the published program that failed has `picked_before_failure` only.
#[derive(Deserialize)]
struct Case {
    filter_num: usize,
    gamma: f64,
    k_nearest: usize,
    selected: Option<Vec<u64>>,
    picked_before_failure: Option<Vec<u64>>,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Picked {
    unique_idx: u64,
    penalised: f64,
}

#[test]
fn golden_selections_come_out_the_same() {
    compare(&Recorded::golden(), "");
}

#[test]
fn they_are_the_same_where_the_worker_looks_for_neighbours() {
    compare(&Recorded::golden(), "    device: cpu\n");
}

#[test]
fn the_published_program_selected_the_same() {
    if let Some(oracle) = Recorded::oracle() {
        compare(&oracle, "");
        compare(&oracle, "    device: cpu\n");
    }
}

/// `setting` is a further line of the select node.
fn compare(recorded: &Recorded, setting: &str) {
    let mut cases = 0;
    for entry in fs::read_dir(recorded.path("golden/6_stage2")).expect("the folder") {
        let name = entry.expect("an entry").file_name();
        if let Some(name) = name.to_str().and_then(|n| n.strip_suffix("_golden.json")) {
            selection(recorded, name, setting);
            cases += 1;
        }
    }
    assert!(cases >= 4, "{cases} cases");
}

fn selection(recorded: &Recorded, name: &str, setting: &str) {
    let case: Case = recorded.json(&format!("golden/6_stage2/{name}_golden.json"));
    let input = recorded.path(&format!("golden/6_stage2/{name}_input.safetensors"));
    let features = Tensor::read(&input, "features");
    let scores: Map<String, Value> = Tensor::read(&input, "difficulty")
        .values
        .iter()
        .enumerate()
        .map(|(row, &score)| (row.to_string(), f64::from(score).into()))
        .collect();
    let records = (0..scores.len()).fold(String::new(), |mut lines, row| {
        writeln!(lines, "{{\"record\": {row}}}").expect("a string takes all");
        lines
    });

    let project = Project::new();
    project.file("vectors.safetensors", features.file("features"));
    project.file("scores.json", Value::from(scores).to_string());
    project.file("records.jsonl", records);
    let pipeline = Pipeline::from_text(
        &project,
        name,
        &format!(
            "version: 1
name: {name}
nodes:
  records: {{ kind: load.jsonl, path: records.jsonl }}
  scores: {{ kind: load.scores, input: records, path: scores.json, column: difficulty }}
  vectors: {{ kind: load.vectors, input: records, path: vectors.safetensors, column: vector }}
  selected:
    kind: select.diverse
    input: records
    score: scores.difficulty
    vectors: vectors.vector
    count: {count}
    k: {k}
    gamma: {gamma:?}
{setting}outputs:
  - {{ from: selected, path: selected.jsonl, format: jsonl }}
",
            count = case.filter_num,
            k = case.k_nearest,
            gamma = case.gamma,
        ),
    );
    let start = Instant::now();
    pipeline.run();
    let seconds = start.elapsed().as_secs_f64();

    let ours: Vec<Picked> = pipeline.rows("selected");
    let order: Vec<u64> = ours.iter().map(|p| p.unique_idx).collect();
    println!("{name}: {} picks, {seconds:.2} s", order.len());
    assert_eq!(order.len(), case.filter_num, "{name}");
    let theirs = case.selected.or(case.picked_before_failure);
    let theirs = theirs.expect("a recorded order");
    assert_eq!(order[..theirs.len()], theirs, "{name}");
    if !case.events.is_empty() {
        let mut deviation = Deviation::new(format!("{name}: difficulty when picked"), 1e-6);
        for (ours, event) in ours.iter().zip(&case.events) {
            assert_eq!(ours.unique_idx, event.pick, "{name}");
            deviation.absolute(event.pick, ours.penalised, event.difficulty);
        }
        deviation.end();
    }
}
