//! The golden data as a project: 21 records (4 without an image), a tiny CLIP and a tiny LLaMA.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Project, repository};

/// Self-Filter in small. What tests change from the command line is a parameter.
pub(crate) const PIPELINE: &str = r#"version: 1
params:
  features: [clip.clip]
  count: 8
  learning_rate: 0.002
  epochs: 1
nodes:
  rows: { kind: load.llava, annotations: data.json, images: images }
  clip: { kind: embed.clip, input: rows, model: "[MODELS]/clip", device: cpu }
  clip_score: { kind: score.clip, input: rows, model: "[MODELS]/clip", device: cpu }
  reward: { kind: load.scores, input: rows, path: reward.json, column: image_reward }
  judge: { kind: load.scores, input: rows, path: judge.json, column: judge }
  stage1:
    kind: train.self_filter
    input: rows
    features: "${features}"
    vlm: "[MODELS]/llama"
    vision_tower: "[MODELS]/clip"
    projector: "[MODELS]/projector/mm_projector.bin"
    max_length: 112
    epochs: "${epochs}"
    batch_size: 8
    learning_rate: "${learning_rate}"
    precision: f32
    device: cpu
  difficulty: { kind: rank.difficulty, score_net: stage1, features: "${features}", on_null: drop }
  selected: { kind: select.diverse, input: rows, score: difficulty.difficulty, vectors: clip.clip, count: "${count}", k: 3 }
outputs:
  - { from: selected, path: out.json, format: llava }
"#;

/// The nodes of [`PIPELINE`], in its order.
pub(crate) const NODES: [&str; 8] = [
    "rows",
    "clip",
    "clip_score",
    "reward",
    "judge",
    "stage1",
    "difficulty",
    "selected",
];

/// `data.json`, `images/`, the scores and `p.yaml`. The models stay where they are.
pub(crate) fn golden() -> Project {
    let project = Project::new();
    let data = repository("tests/golden/data");
    copy_folder(&data.join("images"), &project.path("images"));
    let read = |name: &str| fs::read(data.join(name)).expect("a golden file");
    project.file("reward.json", read("scores/llava_imagereward.json"));
    project.file(
        "judge.json",
        read("scores/gpt-3.5-turbo-1106/processed_score.json"),
    );
    let records: Value = serde_json::from_slice(&read("llava_instruct.json")).expect("JSON");
    set_records(&project, records.as_array().expect("a list"));
    project.file("p.yaml", pipeline(PIPELINE));
    project
}

/// A pipeline's text with the place of the golden models put in.
pub(crate) fn pipeline(text: &str) -> String {
    text.replace(
        "[MODELS]",
        &repository("tests/golden").display().to_string(),
    )
}

pub(crate) fn records(project: &Project) -> Vec<Value> {
    serde_json::from_str(&project.read("data.json")).expect("JSON")
}

/// A record that is not changed keeps its bytes.
pub(crate) fn set_records(project: &Project, records: &[Value]) {
    project.file(
        "data.json",
        serde_json::to_vec_pretty(records).expect("JSON"),
    );
}

/// Reads the records, has them changed, and writes them.
pub(crate) fn edit_records(project: &Project, edit: impl FnOnce(&mut Vec<Value>)) {
    let mut all = records(project);
    edit(&mut all);
    set_records(project, &all);
}

/// Copies the files of a folder; there are none below.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder is made");
    for entry in fs::read_dir(from).expect("the folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("the file is copied");
    }
}
