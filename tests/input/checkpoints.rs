//! Models that are missing or broken.

use std::fs;

use serde_json::Value;

use crate::support::Project;
use crate::support::golden::{PIPELINE, copy_folder, golden, pipeline};
use crate::support::repository;

/// The golden project with copies of the models that can be broken.
fn with_own_models() -> Project {
    let project = golden();
    for model in ["clip", "llama", "projector"] {
        copy_folder(
            &repository("tests/golden").join(model),
            &project.path(&format!("models/{model}")),
        );
    }
    project.file("p.yaml", PIPELINE.replace("[MODELS]", "models"));
    project
}

/// Rewrites the header of a safetensors file; the bytes of the tensors stay.
fn edit_header(project: &Project, file: &str, edit: impl Fn(&mut serde_json::Map<String, Value>)) {
    let bytes = fs::read(project.path(file)).expect("a safetensors file");
    let (length, rest) = bytes.split_first_chunk::<8>().expect("its length");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: serde_json::Map<String, Value> =
        serde_json::from_slice(header).expect("its header");
    edit(&mut header);
    let mut text = serde_json::to_vec(&header).expect("JSON");
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut edited = (text.len() as u64).to_le_bytes().to_vec();
    edited.extend(text);
    edited.extend(data);
    project.file(file, edited);
}

#[test]
fn a_model_that_is_not_there_is_refused_before_anything_runs() {
    let project = golden();
    project.file(
        "p.yaml",
        pipeline(&PIPELINE.replace("[MODELS]/clip", "no/model/here")),
    );
    project.is_refused(&["there is no folder", "no/model/here"]);
    project.file(
        "p.yaml",
        pipeline(&PIPELINE.replace("[MODELS]/llama", "nobody/vicuna")),
    );
    project.is_refused(&["nobody/vicuna", "hub cache"]);
}

#[test]
fn a_folder_without_a_file_that_is_needed_names_it() {
    for (file, words) in [
        ("clip/config.json", "config.json"),
        ("clip/preprocessor_config.json", "preprocessor_config.json"),
        ("clip/vocab.json", "vocab.json"),
        ("clip/model.safetensors", "model.safetensors"),
        ("llama/config.json", "config.json"),
        ("llama/tokenizer.model", "tokenizer.model"),
        (
            "llama/model-00002-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
        ),
    ] {
        let project = with_own_models();
        fs::remove_file(project.path(&format!("models/{file}"))).expect("removed");
        project.fails(&[words]);
    }
}

#[test]
fn a_tensor_that_is_missing_is_named() {
    let project = with_own_models();
    edit_header(&project, "models/clip/model.safetensors", |header| {
        let tensor = header
            .remove("visual_projection.weight")
            .expect("the tensor");
        header.insert("visual_projection.other".into(), tensor);
    });
    project.fails(&["visual_projection.weight", "models/clip"]);
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both_shapes() {
    let project = with_own_models();
    edit_header(&project, "models/clip/model.safetensors", |header| {
        let shape = &mut header
            .get_mut("visual_projection.weight")
            .expect("the tensor")["shape"];
        assert_eq!(shape.to_string(), "[12,16]");
        *shape = serde_json::json!([16, 12]);
    });
    project.fails(&["visual_projection.weight", "[16, 12]", "[12, 16]"]);
}

#[test]
fn a_checkpoint_that_is_cut_is_named() {
    for (file, node) in [
        ("clip/model.safetensors", "clip"),
        ("llama/model-00001-of-00002.safetensors", "stage1"),
        ("projector/mm_projector.bin", "stage1"),
    ] {
        let project = with_own_models();
        let path = project.path(&format!("models/{file}"));
        let bytes = fs::read(&path).expect("a checkpoint");
        fs::write(&path, &bytes[..bytes.len() / 2]).expect("cut");
        let log = project.fails(&[file.rsplit('/').next().unwrap_or(file)]);
        assert!(
            log.line().ends_with(&format!("FAILED {node}")),
            "{}",
            log.line()
        );
    }
}

#[test]
fn a_whole_llava_needs_no_projector_beside_it() {
    let project = with_own_models();
    let without = PIPELINE
        .replace("[MODELS]", "models")
        .replace("    projector: \"models/projector/mm_projector.bin\"\n", "");
    project.file("p.yaml", pipeline(&without));
    project.fails(&[
        "projector: none is given",
        "mm_projector.bin",
        "models/llama",
    ]);

    // As one more shard of the language model's folder it is found.
    let shard = "mm_projector.safetensors";
    fs::copy(
        project.path(&format!("models/projector/{shard}")),
        project.path(&format!("models/llama/{shard}")),
    )
    .expect("the projector");
    let path = project.path("models/llama/model.safetensors.index.json");
    let mut index: Value =
        serde_json::from_slice(&fs::read(&path).expect("the index")).expect("JSON");
    for name in ["weight", "bias"] {
        index["weight_map"][format!("model.mm_projector.{name}")] = shard.into();
    }
    fs::write(&path, index.to_string()).expect("the index");
    project.run(&["run", "p.yaml"]).succeeded();
}
