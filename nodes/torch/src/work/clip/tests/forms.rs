//! The forms that checkpoints are published in, against what transformers made of them: `tests/golden/make_forms.py`.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tch::Device;
use trommel_checkpoint::Checkpoint;

use super::super::checkpoint;
use super::super::pairs::Embedder;
use super::{largest, rows};
use crate::work::WorkError;
use crate::work::testing::{golden, read_json, roots};

fn check(form: &str) {
    roots();
    let folder = golden("forms").join(form);
    let expected = read_json(&folder.join("expected.json"));
    let list = |key: &str| expected[key].as_array().unwrap().clone();
    let texts: Vec<String> = list("texts")
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect();

    let loaded = checkpoint::load(&folder, tch::Kind::Float, Device::Cpu).unwrap();
    for (text, ids) in texts.iter().zip(list("ids")) {
        let ids: Vec<i64> = serde_json::from_value(ids).unwrap();
        assert_eq!((loaded.encode)(text).unwrap(), ids, "{text:?}");
    }

    let images: Vec<_> = list("images")
        .iter()
        .map(|name| golden("data/images").join(name.as_str().unwrap()))
        .collect();
    let tensors = Checkpoint::open(&folder.join("expected.safetensors")).unwrap();
    let features = |name: &str| tensors.require(name).unwrap().to_f32().unwrap();
    let (image, text) = (features("image"), features("text"));
    let width = loaded.width;
    // Every image with every text.
    let pairs: Vec<(&Path, &str)> = images
        .iter()
        .flat_map(|image| texts.iter().map(|text| (image.as_path(), text.as_str())))
        .collect();
    let mut embedder = Embedder::open("embed.clip", json!({"model": folder}), Device::Cpu).unwrap();
    let found = embedder.pairs(&rows(&pairs)).unwrap();
    assert!(found.failed.is_empty(), "{:?}", found.failed);
    for (at, row) in found.rows.iter().enumerate() {
        let row: &(Arc<[f32]>, Arc<[f32]>) = row.as_ref().unwrap();
        let (i, t) = (at / texts.len(), at % texts.len());
        let deviations = [
            largest(&row.0, &image[i * width..][..width]),
            largest(&row.1, &text[t * width..][..width]),
        ];
        assert!(
            deviations.into_iter().all(|deviation| deviation < 1e-5),
            "{form}, image {i}, text {t}: {deviations:?}"
        );
    }
}

#[test]
fn laion_with_gelu_shards_and_the_legacy_end() {
    check("laion");
}

#[test]
fn siglip() {
    check("siglip");
}

#[test]
fn other_models_are_refused_with_what_is_supported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("config.json"),
        r#"{"model_type": "align"}"#,
    )
    .unwrap();
    let error = match checkpoint::load(folder.path(), tch::Kind::Float, Device::Cpu) {
        Err(error @ WorkError::ModelType { .. }) => error.words(),
        _ => panic!("it is no model type"),
    };
    assert!(
        error.contains("`align`; clip (CLIPModel) and siglip (SiglipModel)"),
        "{error}"
    );
}
