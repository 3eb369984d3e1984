//! Scores that come from embeddings instead of a model.

use serde_json::Value;

use crate::support::Log;
use crate::support::golden::{golden, pipeline};

const SCORES: &str = r#"version: 1
nodes:
  rows: { kind: load.llava, annotations: data.json, images: images }
  clip: { kind: embed.clip, input: rows, model: "[MODELS]/clip", device: cpu }
  clip_score: { kind: score.clip, input: rows, model: "[MODELS]/clip", device: cpu }
  reused: { kind: score.clip, embedding: clip.clip }
  of_rows: { kind: score.clip, input: rows, embedding: clip.clip }
outputs:
  - { from: reused, path: out.jsonl, format: jsonl }
"#;

fn scores(table: &Value) -> Vec<Option<f64>> {
    let rows = table.as_array().expect("a list");
    rows.iter().map(|row| row["clip_score"].as_f64()).collect()
}

#[test]
fn a_score_from_embeddings_is_the_models_score() {
    let project = golden();
    project.file("p.yaml", pipeline(SCORES));
    project.ran(&["--to", "reused", "--to", "of_rows", "--to", "clip_score"]);
    let by_model = scores(&project.table("clip_score"));
    for node in ["reused", "of_rows"] {
        let found = scores(&project.table(node));
        assert_eq!(found.len(), 21);
        for (row, (found, by_model)) in found.iter().zip(&by_model).enumerate() {
            match (found, by_model) {
                (Some(found), Some(by_model)) => {
                    let deviation = (found - by_model).abs();
                    assert!(deviation < 1e-6, "{node}, row {row}: {deviation:e}");
                }
                (found, by_model) => assert_eq!(found, by_model, "{node}, row {row}"),
            }
        }
        // Rows without an image have no embedding and so no score.
        let nulls: Vec<usize> = (0..21).filter(|&row| found[row].is_none()).collect();
        assert_eq!(nulls, [2, 8, 15, 17]);
    }
}

#[test]
fn no_worker_is_started_for_it() {
    let project = golden();
    project.file("p.yaml", pipeline(SCORES));
    project.ran(&["--to", "clip"]);
    let nowhere = [("TROMMEL_WORKER", "/no/worker")];
    let run = ["run", "p.yaml", "--json", "--to", "reused"];
    let log = Log::of(project.run_with(&nowhere, &run));
    assert_eq!(log.outcome.status, 0, "{}", log.outcome);
    assert_eq!(log.line(), "reused 18/21");
    // One image replaced: one row's embedding is new, and so is its score.
    std::fs::copy(
        project.path("images/tall.jpg"),
        project.path("images/photo_444.jpg"),
    )
    .expect("copied");
    assert_eq!(project.ran(&["--to", "reused"]), "clip 1/21, reused 1/21");
}

#[test]
fn vectors_that_have_no_two_halves_are_refused() {
    let project = golden();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (21, 3), }";
    let padded = format!("{header:<117}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((padded.len() as u16).to_le_bytes());
    file.extend(padded.as_bytes());
    file.extend((0..63_u16).flat_map(|number| f32::from(number).to_le_bytes()));
    project.file("odd.npy", file);
    project.file(
        "p.yaml",
        "version: 1
nodes:
  rows: { kind: load.llava, annotations: data.json, images: images }
  odd: { kind: load.vectors, input: rows, path: odd.npy, column: odd }
  score: { kind: score.clip, embedding: odd.odd }
outputs:
  - { from: score, path: out.jsonl, format: jsonl }
",
    );
    project.fails(&[
        "3 components",
        "an image half and a text half",
        "embed.clip",
    ]);
}
