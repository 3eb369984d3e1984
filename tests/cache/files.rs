//! The port of files that training gives with `save: true`: kept, written out, looked after, and made again where one is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::damage::files_below;
use crate::support::Project;
use crate::support::golden::golden;

const NAMES: [&str; 5] = [
    "config.json",
    "model.safetensors",
    "score_net.json",
    "tokenizer.model",
    "tokenizer_config.json",
];

/// The golden pipeline, which saves the model and writes it to `model`.
fn saving() -> Project {
    let project = golden();
    let text = project.read("p.yaml");
    let saves = text.replace("precision: f32", "precision: f32\n    save: true");
    project.file(
        "p.yaml",
        saves + "  - { from: stage1.checkpoint, path: model, format: folder }\n",
    );
    project.file("unsaved.yaml", text);
    project
}

fn blobs(project: &Project) -> Vec<PathBuf> {
    files_below(&project.path(".trommel/blobs"))
}

/// Names and bytes of a folder's files.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = files_below(folder).into_iter();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(folder).expect("inside");
        (name.display().to_string(), fs::read(&path).expect("a file"))
    };
    files.map(read).collect()
}

fn json(project: &Project, call: &[&str]) -> Value {
    let told = project.run(call).succeeded();
    serde_json::from_str(&told.stdout).expect("JSON")
}

#[test]
fn a_trained_model_is_written_and_kept() {
    let project = saving();
    let line = project.ran(&[]);
    assert!(
        line.ends_with("selected; wrote out.json; wrote model"),
        "{line}"
    );
    let written = content(&project.path("model"));
    assert_eq!(written.keys().collect::<Vec<_>>(), NAMES);

    let config: Value = serde_json::from_slice(&written["config.json"]).expect("JSON");
    for (key, value) in [
        ("model_type", json!("llava_llama")),
        ("torch_dtype", json!("float32")),
        ("hidden_size", json!(32)),
        ("mm_projector_type", json!("linear")),
        ("mm_hidden_size", json!(16)),
        ("mm_vision_select_layer", json!(-2)),
        ("image_aspect_ratio", json!("square")),
        ("tokenizer_model_max_length", json!(112)),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    let tensors = SafeTensors::deserialize(&written["model.safetensors"]).expect("tensors");
    let net = tensors.tensor("score_net.weight").expect("the score net");
    assert_eq!(net.shape(), [1, 24]);
    let weights = project.table("stage1");
    let weights: Vec<f32> = weights
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["weight"].as_f64().expect("a weight") as f32)
        .collect();
    let saved: Vec<f32> = net
        .data()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    assert_eq!(saved, weights);
    let of_net: Value = serde_json::from_slice(&written["score_net.json"]).expect("JSON");
    assert_eq!(
        of_net,
        json!({ "features": [{ "feature": "clip.clip", "components": 24, "min": null, "max": null }] })
    );

    assert_eq!(project.ran(&[]), "nothing; kept out.json; kept model");
    fs::write(project.path("model/config.json"), "{}").expect("edited");
    assert_eq!(project.ran(&[]), "nothing; wrote model; kept out.json");
    assert_eq!(content(&project.path("model")), written);
    let plan = json(&project, &["plan", "unsaved.yaml", "--json"]);
    let states = plan["nodes"].as_array().expect("nodes").iter();
    assert!(
        states.into_iter().all(|node| node["state"] == "hit"),
        "{plan}"
    );
}

#[test]
fn trained_adapters_are_written() {
    let project = saving();
    let lora =
        "save: true\n    trainable: lora\n    lora: { rank: 2, alpha: 4, targets: [q_proj] }";
    project.file("p.yaml", project.read("p.yaml").replace("save: true", lora));
    project.ran(&[]);
    let written = content(&project.path("model"));
    let names = [
        "adapter_config.json",
        "adapter_model.safetensors",
        "non_lora_trainables.safetensors",
        "score_net.json",
    ];
    assert_eq!(written.keys().collect::<Vec<_>>(), names);
    let config: Value = serde_json::from_slice(&written["adapter_config.json"]).expect("JSON");
    assert_eq!(
        (&config["r"], &config["lora_alpha"]),
        (&json!(2), &json!(4.0))
    );
    let adapters = SafeTensors::deserialize(&written["adapter_model.safetensors"]).expect("them");
    assert!(!adapters.is_empty());
    for (name, tensor) in adapters.iter() {
        assert!(name.contains("q_proj.lora_"), "{name}");
        assert!(tensor.shape().contains(&2), "{name}");
    }
}

#[test]
fn asking_for_the_model_later_trains_once_more() {
    let project = saving();
    let saves = project.read("p.yaml");
    project.file("p.yaml", project.read("unsaved.yaml"));
    project.ran(&[]);
    project.file("p.yaml", saves);
    let log = project.log(&[]);
    assert_eq!(log.line(), "stage1; wrote model; kept out.json");
    assert!(
        log.outcome.stdout.contains("`checkpoint` was not kept"),
        "{}",
        log.outcome
    );
}

#[test]
fn files_are_shown_as_rows_and_written_by_show() {
    let project = saving();
    project.ran(&[]);
    let rows = project.table("stage1.checkpoint");
    let names: Vec<&str> = rows
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["file"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, NAMES);
    let show = ["show", "p.yaml", "stage1.checkpoint"];
    project
        .run(&[&show[..], &["--out", "other"]].concat())
        .succeeded();
    assert_eq!(
        content(&project.path("other")),
        content(&project.path("model"))
    );
    project
        .run(&[&show[..], &["--format", "csv", "--out", "files.csv"]].concat())
        .succeeded();
    assert!(project.read("files.csv").contains("score_net.json"));
    project
        .run(&[&show[..], &["--format", "folder"]].concat())
        .refused();
    project
        .run(&[
            "show", "p.yaml", "stage1", "--format", "folder", "--out", "x",
        ])
        .refused();
    project.file("other/notes.txt", "mine");
    let refused = project.run(&[&show[..], &["--out", "other"]].concat());
    assert_eq!(refused.status, 1, "{refused}");
    assert!(refused.stderr.contains("notes.txt"), "{refused}");
}

#[test]
fn collection_keeps_files_that_are_named() {
    let project = saving();
    project.ran(&[]);
    let kept = blobs(&project);
    assert_eq!(kept.len(), NAMES.len());
    let gc = ["cache", "gc", "--runs", "1", "--json"];
    assert_eq!(json(&project, &gc)["bytes"], 0);
    let bytes: u64 = kept
        .iter()
        .map(|path| fs::metadata(path).expect("a blob").len())
        .sum();
    let usage = json(&project, &["cache", "du", "--json"]);
    assert_eq!(usage["groups"]["blobs"]["bytes"], bytes);
    assert!(usage["kinds"]["train.self_filter"]["bytes"].as_u64() > Some(bytes));
    project.run(&["cache", "verify"]).succeeded();

    project.ran(&["--set", "learning_rate=0.001"]);
    let told = json(&project, &gc);
    assert!(
        told["bytes"].as_u64() > Some(kept[0].metadata().map_or(0, |m| m.len())),
        "{told}"
    );
    assert_eq!(
        blobs(&project).len(),
        NAMES.len(),
        "the first model is gone"
    );
    assert_eq!(
        project.ran(&["--set", "learning_rate=0.001"]),
        "nothing; kept out.json; kept model"
    );
}

#[test]
fn a_lost_or_damaged_file_is_made_again() {
    let project = saving();
    project.ran(&[]);
    let written = content(&project.path("model"));
    let weights = blobs(&project)
        .into_iter()
        .max_by_key(|path| fs::metadata(path).map_or(0, |m| m.len()))
        .expect("the weights");
    fs::remove_file(&weights).expect("removed");
    assert_eq!(project.ran(&[]), "stage1; kept out.json; kept model");
    assert!(weights.exists());

    let mut damaged = fs::read(&weights).expect("the weights");
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::remove_file(&weights).expect("removed");
    fs::write(&weights, &damaged).expect("damaged");
    // Nobody reads it until it is to be written out.
    assert_eq!(project.ran(&[]), "nothing; kept out.json; kept model");
    fs::remove_dir_all(project.path("model")).expect("removed");
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 0, "{}", log.outcome);
    // The outputs are looked at again once what they are made from has been made anew.
    assert_eq!(
        log.line(),
        "stage1; wrote model; kept out.json; kept out.json"
    );
    assert_eq!(content(&project.path("model")), written);

    fs::remove_file(&weights).expect("removed");
    fs::write(&weights, &damaged).expect("damaged");
    let told = project.run(&["cache", "verify"]);
    assert_eq!(told.status, 1, "{told}");
    assert!(!weights.exists());
    assert_eq!(project.ran(&[]), "stage1; kept out.json; kept model");
}

#[test]
fn a_folder_of_somebody_else_stays() {
    let project = saving();
    project.file("model/thesis.txt", "mine");
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1);
    let said = log.said();
    assert!(
        said.contains("thesis.txt") && said.contains("give another path"),
        "{said}"
    );
    assert_eq!(content(&project.path("model")).len(), 1);
}

#[test]
fn a_saved_model_is_trained_further() {
    let project = saving();
    project.ran(&[]);
    let other = project
        .read("p.yaml")
        .replace("path: model", "path: second");
    let start = other.find("vlm: ").expect("a vlm");
    let end = start + other[start..].find('\n').expect("a line");
    let further = format!("{}vlm: model{}", &other[..start], &other[end..]);
    project.file("p.yaml", &further);
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 0, "{}", log.outcome);
    assert!(
        log.outcome
            .stdout
            .contains("the score net starts from score_net.weight"),
        "{}",
        log.outcome
    );
    assert_eq!(
        content(&project.path("second")).keys().collect::<Vec<_>>(),
        NAMES
    );

    project.file(
        "p.yaml",
        further
            .replace("clip:", "other:")
            .replace("clip.clip", "other.clip"),
    );
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1);
    let said = log.said();
    assert!(
        said.contains("clip.clip (24)") && said.contains("other.clip (24)"),
        "{said}"
    );
}
