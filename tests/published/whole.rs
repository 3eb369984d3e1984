//! The whole job on recorded data: features, stage 1 with the recorded batches, stage 2, the file that comes out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::compare::Deviation;
use super::pipeline::Pipeline;
use super::recorded::{Recorded, Run, Selection, Selections};
use super::{clip, worker};
use crate::support::Project;

#[derive(Deserialize)]
struct Logged {
    step: usize,
    lr: f64,
    loss: f64,
    grad_norm: f64,
    label_tokens: u64,
}

#[derive(Deserialize)]
struct Weight {
    weight: f64,
}

#[derive(Deserialize)]
struct Ranked {
    unique_idx: u64,
    difficulty: f64,
    rank: usize,
}

#[derive(Deserialize)]
struct Picked {
    unique_idx: u64,
    pick: usize,
    penalised: f64,
}

#[test]
fn golden_data_comes_out_the_same() {
    if worker() {
        compare(&Recorded::golden());
    }
}

#[test]
fn the_published_program_gave_the_same() {
    if let Some(oracle) = Recorded::oracle()
        && worker()
    {
        compare(&oracle);
    }
}

fn compare(recorded: &Recorded) {
    let project = Project::new();
    let selections: Selections = recorded.json("golden/6_stage2/selection_small.json");
    for setting in ["clip", "scores"] {
        recorded.language_model(&project, setting);
    }
    for (number, &(name, case)) in recorded.runs.iter().enumerate() {
        let run: Run = recorded.json(&format!("golden/5_stage1/{name}.json"));
        let pipeline = Pipeline::new(&project, recorded, name, &run.hyper, &selections);
        if number == 0 {
            clip::compare(recorded, &pipeline);
        }
        pipeline.run();
        stage1(name, &run, &pipeline);
        if let Some(case) = case {
            difficulties(recorded, case, &pipeline);
            picks(case, &selections.cases[case], &pipeline);
            output(
                recorded,
                case,
                &selections.cases[case],
                &project.read(&format!("{name}.json")),
            );
        }
    }
}

fn stage1(name: &str, theirs: &Run, pipeline: &Pipeline<'_>) {
    let steps: Vec<Logged> = pipeline.rows("stage1.log");
    assert_eq!(steps.len(), theirs.steps.len());
    let mut loss = Deviation::new(format!("{name}: loss, relative"), 1e-4);
    let mut norm = Deviation::new(format!("{name}: gradient norm, relative"), 1e-4);
    let mut rate = Deviation::new(format!("{name}: learning rate, relative"), 1e-9);
    for (number, (ours, theirs)) in steps.iter().zip(&theirs.steps).enumerate() {
        assert_eq!(ours.step, number);
        assert_eq!(
            ours.label_tokens,
            theirs.per_sample_tokens.iter().sum::<u64>(),
            "{name}, step {number}"
        );
        loss.relative(number, ours.loss, theirs.loss);
        norm.relative(number, ours.grad_norm, theirs.grad_norm);
        rate.relative(number, ours.lr, theirs.lr);
    }
    loss.end();
    norm.end();
    rate.end();

    let ours: Vec<Weight> = pipeline.rows("stage1");
    assert_eq!(ours.len(), theirs.final_score_net.len(), "{name}");
    let mut weights = Deviation::new(format!("{name}: score net, relative"), 1e-3);
    let mut absolute = Deviation::new(format!("{name}: score net"), 1e-4);
    for (number, (ours, &theirs)) in ours.iter().zip(&theirs.final_score_net).enumerate() {
        weights.relative(number, ours.weight, theirs);
        absolute.absolute(number, ours.weight, theirs);
    }
    weights.end();
    absolute.end();
}

fn difficulties(recorded: &Recorded, case: &str, pipeline: &Pipeline<'_>) {
    let theirs: BTreeMap<u64, f64> =
        recorded.json(&format!("golden/6_stage2/difficulty_{case}.json"));
    let ours: Vec<Ranked> = pipeline.rows("difficulty");
    assert_eq!(ours.len(), theirs.len());
    let mut deviation = Deviation::new(format!("{case}: difficulty"), 1e-5);
    for row in &ours {
        deviation.absolute(row.unique_idx, row.difficulty, theirs[&row.unique_idx]);
        let harder = ours.iter().filter(|o| o.difficulty > row.difficulty);
        assert_eq!(row.rank, harder.count(), "record {}", row.unique_idx);
    }
    deviation.end();
}

fn picks(case: &str, theirs: &Selection, pipeline: &Pipeline<'_>) {
    let ours: Vec<Picked> = pipeline.rows("selected");
    let order: Vec<u64> = ours.iter().map(|p| p.unique_idx).collect();
    assert_eq!(order, theirs.selected, "{case}");
    assert_eq!(theirs.events.len(), ours.len());
    let mut deviation = Deviation::new(format!("{case}: difficulty when picked"), 1e-5);
    for (number, (ours, event)) in ours.iter().zip(&theirs.events).enumerate() {
        assert_eq!((ours.pick, ours.unique_idx), (number, event.pick));
        deviation.absolute(number, ours.penalised, event.difficulty);
    }
    deviation.end();
}

/// The picked records, byte for byte, and as the published program wrote them.
fn output(recorded: &Recorded, case: &str, theirs: &Selection, text: &str) {
    let ours: Vec<Box<RawValue>> = serde_json::from_str(text).expect("JSON");
    let records: Vec<Box<RawValue>> = recorded.json("data/llava_instruct.json");
    assert_eq!(ours.len(), theirs.selected.len());
    for (ours, &number) in ours.iter().zip(&theirs.selected) {
        let number = usize::try_from(number).expect("a row");
        assert_eq!(ours.get(), records[number].get());
    }
    let file = format!("golden/6_stage2/filtered_annotation_{case}.json");
    if recorded.path(&file).exists() {
        let ours: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(ours, recorded.json::<Value>(&file));
        println!("{case}: the output is the published annotation");
    }
}
