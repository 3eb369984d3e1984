//! Marks read out of recorded answers.

use std::collections::BTreeMap;
use std::fs;

use super::recorded::Recorded;
use crate::support::Project;

#[test]
fn golden_marks_come_out_the_same() {
    compare(&Recorded::golden());
}

#[test]
fn the_published_program_read_the_same_marks() {
    if let Some(oracle) = Recorded::oracle() {
        compare(&oracle);
    }
}

fn compare(recorded: &Recorded) {
    let root = recorded.path("");
    let root = root.display();
    let project = Project::new();
    let judge = format!(
        "kind: score.judge, input: rows, responses: \"{root}/data/gpt_responses/gpt-3.5-turbo-1106\", parse: first_word"
    );
    project.file(
        "p.yaml",
        format!(
            "version: 1
nodes:
  rows: {{ kind: load.llava, annotations: \"{root}/data/llava_instruct.json\", images: \"{root}/data/images\" }}
  raw: {{ {judge} }}
  filled: {{ {judge}, on_missing: mean }}
outputs:
  - {{ from: raw, path: raw.jsonl, format: jsonl }}
  - {{ from: filled, path: filled.jsonl, format: jsonl }}
"
        ),
    );
    project.ran(&[]);
    let theirs = |name: &str| -> BTreeMap<usize, Option<f64>> {
        recorded.json(&format!("golden/3_gpt/{name}.json"))
    };
    let (raw, filled) = (theirs("raw_score"), theirs("processed_score"));
    let (rows, means) = (project.table("raw"), project.table("filled"));
    for (number, mark) in &raw {
        let value = |table: &serde_json::Value, column: &str| table[number][column].as_f64();
        let near = |found: Option<f64>, wanted: Option<f64>| {
            let wanted = wanted.map(|wanted| f64::from(wanted as f32));
            assert!(
                found.map(|found| found as f32) == wanted.map(|wanted| wanted as f32),
                "record {number}: {found:?} for {wanted:?}"
            );
        };
        near(value(&rows, "judge"), *mark);
        near(value(&rows, "judge_raw"), *mark);
        near(value(&means, "judge"), filled[number]);
        near(value(&means, "judge_raw"), *mark);
    }
    assert_eq!(rows.as_array().map(Vec::len), Some(raw.len()));
    let folder = recorded.path("data/gpt_responses/gpt-3.5-turbo-1106");
    assert_eq!(
        fs::read_dir(folder).expect("the answers").count(),
        raw.len()
    );
}
