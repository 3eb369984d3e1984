//! Whole LLaVA checkpoints as `vlm`, and what is said where they do not fit the rest.

use std::path::{Path, PathBuf};

use arrow::array::ArrayRef;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use trommel_checkpoint::Checkpoint;

use super::tests::{Run, weights, with_more};
use crate::work::testing::{Recorded, read_json, roots};

/// A whole LLaVA v1: language model, projector and score net in one folder, with further keys in its config.json.
fn whole(root: &Path, keys: &Json) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Checkpoint::open(&root.join(name)).unwrap();
    let (net, projector) = (
        open("score_net_init.safetensors"),
        open("projector/mm_projector.bin"),
    );
    let mut more = vec![(&net, "clip", "score_net.weight")];
    for name in projector.names() {
        assert!(name.starts_with("model.mm_projector."));
        more.push((&projector, name, name));
    }
    let vlm = with_more(root, &folder.path().join("llava"), &more);
    let path = vlm.join("config.json");
    let mut config = read_json(&path);
    config["model_type"] = json!("llava");
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    std::fs::write(path, config.to_string()).unwrap();
    (folder, vlm)
}

/// Two updates, the first of which has learning rate zero.
fn short(run: Run) -> Run {
    run.set("order", json!([[0, 1, 2, 3], [10, 11, 19, 20]]))
}

fn losses(made: &Recorded) -> ArrayRef {
    made.pushed[1].1.column_by_name("loss").unwrap().clone()
}

#[test]
fn a_whole_llava_trains_as_its_parts_do() {
    let root = &roots()[0];
    let keys = json!({"mm_hidden_size": 16, "image_aspect_ratio": "square"});
    let (_folder, vlm) = whole(root, &keys);
    let train = |run: Run| run.train(&[run.input(run.images()), run.clip()]).unwrap();
    let parts = train(short(Run::new(root, 1e-3)));
    let run = short(Run::new(root, 1e-3)).set("vlm", json!(vlm));
    let made = train(run.set("projector", Json::Null));
    assert_eq!(&losses(&made), &losses(&parts));
    assert_eq!(weights(&made.pushed[0].1), weights(&parts.pushed[0].1));
    let aspect = |warning: &String| warning.contains("image_aspect");
    assert!(!made.warnings.iter().any(aspect), "{:?}", made.warnings);

    // What it was trained with is compared with what the pipeline says.
    let keys = json!({"image_aspect_ratio": "pad", "mm_use_im_start_end": true, "mm_vision_select_layer": -1});
    let (_folder, vlm) = whole(root, &keys);
    let made = train(short(Run::new(root, 1e-3)).set("vlm", json!(vlm)));
    let warned = |part: &str| made.warnings.iter().any(|warning| warning.contains(part));
    assert!(
        warned("trained with `image_aspect: pad`"),
        "{:?}",
        made.warnings
    );
    assert!(warned("<im_start>"), "{:?}", made.warnings);
    // Another hidden state of the tower was read.
    assert_ne!(&losses(&made), &losses(&parts));
}

#[test]
fn what_does_not_fit_is_said_before_training() {
    let root = &roots()[0];
    let fails = |run: Run| run.fails(&[run.input(run.images()), run.clip()]);
    let run = Run::new(root, 1e-3).set("projector", Json::Null);
    let error = fails(run);
    for part in [
        "projector: none is given",
        "vlm",
        "model.mm_projector.0.weight",
    ] {
        assert!(error.contains(part), "{error}");
    }
    for (keys, part) in [
        (
            json!({"mm_hidden_size": 1024}),
            "vision_tower: its features are 16 wide",
        ),
        (
            json!({"mm_patch_merge_type": "spatial_unpad"}),
            "mm_patch_merge_type is spatial_unpad",
        ),
        (
            json!({"model_type": "mistral", "sliding_window": 64}),
            "give 64 or less",
        ),
        (json!({"model_type": "gemma"}), "model_type is gemma"),
    ] {
        let (_folder, vlm) = whole(root, &keys);
        let run = Run::new(root, 1e-3)
            .set("vlm", json!(vlm))
            .set("projector", Json::Null);
        let error = fails(run);
        assert!(error.contains(part), "{error}");
    }
}
