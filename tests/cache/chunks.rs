//! A table of several chunks (1,024 rows each).

use serde_json::{Value, json};

use crate::support::Project;
use crate::support::golden::pipeline;
use crate::support::golden::set_records;

const RECORDS: usize = 2500;

/// Without images an embedding is null, which costs the model nothing: what is tested is who is asked for which rows.
const PIPELINE: &str = r#"version: 1
nodes:
  rows: { kind: load.llava, annotations: data.json, images: . }
  clip: { kind: embed.clip, input: rows, model: "[MODELS]/clip", device: cpu }
  judge: { kind: load.scores, input: rows, path: scores.json, column: judge }
  selected: { kind: select.top, input: rows, score: judge.judge, count: 30 }
outputs:
  - { from: selected, path: out.json, format: llava }
  - { from: clip, path: clip.arrow, format: arrow }
"#;

fn record(number: usize) -> Value {
    json!({ "id": number, "conversations": [{ "from": "human", "value": format!("Question {number}?") }] })
}

fn write(project: &Project, records: &[Value]) {
    set_records(project, records);
    let scores: serde_json::Map<String, Value> = records
        .iter()
        .enumerate()
        .map(|(place, record)| {
            let id = record["id"].as_u64().expect("a number");
            (place.to_string(), json!((id * 7919 % 2503) as f64 / 8.0))
        })
        .collect();
    project.file("scores.json", Value::from(scores).to_string());
}

#[test]
fn rows_that_move_between_chunks_are_not_computed_again() {
    let project = Project::new();
    project.file("p.yaml", pipeline(PIPELINE));
    let mut records: Vec<Value> = (0..RECORDS).map(record).collect();
    write(&project, &records);
    let written = "wrote out.json; wrote clip.arrow";
    assert_eq!(
        project.ran(&[]),
        format!("rows, clip 2500/2500, judge, selected; {written}")
    );

    // At the top: every row moves, and one is new.
    records.insert(0, record(RECORDS));
    write(&project, &records);
    assert_eq!(
        project.ran(&[]),
        format!("rows, clip 1/2501, judge, selected; {written}")
    );

    // In the last chunk: the chunks before it are looked up as they are.
    records[2200] = record(RECORDS + 1);
    write(&project, &records);
    let log = project.log(&[]);
    assert_eq!(
        log.line(),
        format!("rows, clip 1/2501, judge, selected; {written}")
    );
    let chunks = log.outcome.stdout.matches(r#""event":"chunk""#);
    assert_eq!(chunks.count(), 3);

    let picked: Vec<Value> = serde_json::from_str(&project.read("out.json")).expect("JSON");
    let score = |record: &Value| record["id"].as_u64().expect("a number") * 7919 % 2503;
    let mut by_score = records.clone();
    by_score.sort_by_key(|record| std::cmp::Reverse(score(record)));
    assert_eq!(picked, by_score[..30]);

    let incremental = (
        project.table("rows"),
        project.table("clip"),
        project.read("out.json"),
    );
    std::fs::remove_dir_all(project.path(".trommel")).expect("the cache is removed");
    assert_eq!(
        project.ran(&[]),
        format!("rows, clip 2501/2501, judge, selected; {written}")
    );
    assert_eq!(
        (
            project.table("rows"),
            project.table("clip"),
            project.read("out.json")
        ),
        incremental
    );
}
