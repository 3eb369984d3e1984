//! Rewards of files and texts against recorded ones, and what happens where there is none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::Float32Type;
use serde_json::json;
use trommel_checkpoint::{Dtype, TensorSpec, write_safetensors};

use super::super::testing::{golden, read_json};
use super::*;

fn folder() -> PathBuf {
    golden("imagereward")
}

fn session(folder: &Path, more: Json) -> Result<Session, WorkError> {
    let (mut config, Json::Object(more)) = (json!({"model": folder}), more) else {
        panic!("settings are an object")
    };
    config.as_object_mut().unwrap().extend(more);
    open(config, Device::Cpu)
}

fn refused(folder: &Path, more: Json) -> String {
    match session(folder, more) {
        Ok(_) => panic!("it opened"),
        Err(error) => error.words(),
    }
}

fn batch(images: Vec<Option<String>>, texts: Vec<Option<&str>>) -> RecordBatch {
    let image = Arc::new(StringArray::from(images)) as ArrayRef;
    let text = Arc::new(StringArray::from(texts)) as ArrayRef;
    let columns = [("image", image, true), ("text", text, true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Every recorded text with every image, and the rewards.
fn recorded() -> (RecordBatch, Vec<f32>) {
    let expected = read_json(&folder().join("expected.json"));
    let strings = |list: &str, key: &str| -> Vec<String> {
        let items = expected[list].as_array().unwrap().iter();
        items
            .map(|item| item[key].as_str().unwrap().to_owned())
            .collect()
    };
    let (images, texts) = (strings("images", "file"), strings("texts", "text"));
    let path = |file: &String| folder().join(file).to_str().map(str::to_owned);
    let pairs = texts
        .iter()
        .flat_map(|text| images.iter().map(move |image| (image, text)));
    let (paths, texts) = pairs
        .map(|(image, text)| (path(image), Some(text.as_str())))
        .unzip();
    let file = Checkpoint::open(&folder().join("golden.safetensors")).unwrap();
    let rewards = file.require("rewards").unwrap().to_f32().unwrap();
    (batch(paths, texts), rewards)
}

fn rewards(session: &mut Session, rows: &RecordBatch) -> Vec<f32> {
    let answer = session.rows(rows).unwrap();
    assert!(answer.failed.is_empty(), "{:?}", answer.failed);
    let column = answer.columns.column_by_name(COLUMN).unwrap();
    assert_eq!((column.len(), column.null_count()), (rows.num_rows(), 0));
    column.as_primitive::<Float32Type>().values().to_vec()
}

fn largest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |most, d| if d <= most { most } else { d })
}

#[test]
fn recorded_rewards_whatever_the_batches() {
    let (rows, expected) = recorded();
    let whole = rewards(&mut session(&folder(), json!({})).unwrap(), &rows);
    assert!(
        largest(&whole, &expected) < 2e-5,
        "{:e}",
        largest(&whole, &expected)
    );
    let mut by_threes = session(&folder(), json!({"batch_size": 3})).unwrap();
    let in_threes = rewards(&mut by_threes, &rows);
    assert!(largest(&whole, &in_threes) < 5e-6);
    // Alone a text is not filled up, and an image has one text.
    for row in [0, 5, rows.num_rows() - 1] {
        let alone = rewards(&mut by_threes, &rows.slice(row, 1));
        assert!(largest(&alone, &whole[row..=row]) < 5e-6);
    }
}

#[test]
fn bf16_is_near() {
    let (rows, expected) = recorded();
    let rough = rewards(
        &mut session(&folder(), json!({"precision": "bf16"})).unwrap(),
        &rows,
    );
    let deviation = largest(&rough, &expected);
    assert!((1e-4..0.2).contains(&deviation), "{deviation}");
}

#[test]
fn a_row_fails_alone_and_a_lacking_one_has_no_reward() {
    let temporary = tempfile::tempdir().unwrap();
    let whole = folder().join("images/rgb.jpg");
    let bytes = fs::read(&whole).unwrap();
    let cut = temporary.path().join("cut.jpg");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let path = |path: &Path| path.to_str().map(str::to_owned);
    let deep = folder().join("images/deep.png");
    let images = vec![
        path(&cut),
        path(&whole),
        None,
        path(&deep),
        path(&cut),
        path(&whole),
        Some("/nowhere/gone.png".into()),
    ];
    let texts = vec![
        Some("a"),
        Some(""),
        Some("a"),
        Some("a"),
        Some("cup"),
        None,
        Some("a"),
    ];
    let mut session = session(&folder(), json!({"batch_size": 1})).unwrap();
    let answer = session.rows(&batch(images, texts)).unwrap();
    let column = answer.columns.column(0);
    let valid: Vec<usize> = (0..7).filter(|&row| column.is_valid(row)).collect();
    assert_eq!(valid, [1]);
    let failed: Vec<usize> = answer.failed.iter().map(|failure| failure.row).collect();
    assert_eq!(failed, [0, 3, 4, 6]);
    let words = [
        "cut.jpg: the JPEG file is cut off",
        "deep.png: 16-bit grey",
        "cut.jpg",
        "cannot read /nowhere/gone.png",
    ];
    for (failure, part) in answer.failed.iter().zip(words) {
        assert!(failure.reason.contains(part), "{}", failure.reason);
    }
    let none = session.rows(&batch(vec![], vec![])).unwrap();
    assert_eq!(none.columns.num_rows(), 0);
}

/// A copy of the golden model, without its weights.
fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["med_config.json", "vit_config.json"] {
        fs::copy(folder().join(name), copy.path().join(name)).unwrap();
    }
    let vocabulary = folder().join("bert-base-uncased/vocab.txt");
    fs::copy(vocabulary, copy.path().join("vocab.txt")).unwrap();
    copy
}

/// Writes the weights in the other form, changed by `change`, which may also leave a tensor out.
fn write_weights(to: &Path, change: impl Fn(TensorSpec) -> Option<TensorSpec>) {
    let published = Checkpoint::open(&folder().join("ImageReward.pt")).unwrap();
    let tensors: Vec<(TensorSpec, Cow<'_, [u8]>)> = published
        .names()
        .filter_map(|name| {
            let view = published.get(name).unwrap();
            let spec = change(TensorSpec {
                name: name.to_owned(),
                dtype: view.dtype,
                shape: view.shape.to_vec(),
            })?;
            Some((spec, view.data))
        })
        .collect();
    write_safetensors(
        &to.join("ImageReward.safetensors"),
        tensors,
        &BTreeMap::new(),
    )
    .unwrap();
}

#[test]
fn safetensors_give_the_same_rewards() {
    let (rows, _) = recorded();
    let copy = copy();
    write_weights(copy.path(), Some);
    let published = rewards(&mut session(&folder(), json!({})).unwrap(), &rows);
    assert_eq!(
        published,
        rewards(&mut session(copy.path(), json!({})).unwrap(), &rows)
    );
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let copy = copy();
    let lacking = [
        "mlp.layers.2.weight",
        "blip.text_encoder.encoder.layer.1.crossattention.self.key.bias",
    ];
    write_weights(copy.path(), |spec| {
        (!lacking.contains(&spec.name.as_str())).then_some(spec)
    });
    let error = refused(copy.path(), json!({}));
    for name in lacking {
        assert!(error.contains(&format!("{name} of shape")), "{error}");
    }
    write_weights(copy.path(), |mut spec| {
        if spec.name == "mlp.layers.4.weight" || spec.name == "blip.visual_encoder.cls_token" {
            spec.shape.reverse();
        }
        Some(spec)
    });
    let error = refused(copy.path(), json!({}));
    assert!(
        error.contains("mlp.layers.4.weight has shape [128, 64], expected [64, 128]"),
        "{error}"
    );
    assert!(
        error.contains("blip.visual_encoder.cls_token has shape [24, 1, 1]"),
        "{error}"
    );
    write_weights(copy.path(), |mut spec| {
        if spec.name == "blip.visual_encoder.norm.bias" {
            spec.dtype = Dtype::I32;
        }
        Some(spec)
    });
    assert!(refused(copy.path(), json!({})).contains("norm.bias holds I32"));
}

#[test]
fn a_pickle_that_would_run_something_is_refused() {
    let copy = copy();
    let mut bytes = fs::read(folder().join("ImageReward.pt")).unwrap();
    let (name, evil) = (
        b"torch._utils\n_rebuild_tensor_v2\n",
        b"builtins\nexec__________________\n",
    );
    assert_eq!(name.len(), evil.len());
    let at = bytes
        .windows(name.len())
        .position(|part| part == name)
        .unwrap();
    bytes[at..at + name.len()].copy_from_slice(evil);
    fs::write(copy.path().join("ImageReward.pt"), bytes).unwrap();
    let error = refused(copy.path(), json!({}));
    assert!(
        error.contains("ImageReward.pt") && error.contains("builtins.exec"),
        "{error}"
    );
}

#[test]
fn wrong_configurations_and_folders_are_told() {
    assert!(refused(&folder(), json!({"precision": "f8"})).contains("f8"));
    assert!(refused(&folder(), json!({"side": 3})).contains("side"));
    assert!(refused(&golden("clip"), json!({})).contains("tests/golden/clip/med_config.json"));
    let copy = copy();
    let change = |name: &str, key: &str, value: Json| {
        let path = copy.path().join(name);
        let before = fs::read(&path).unwrap();
        let mut file = read_json(&path);
        file[key] = value;
        fs::write(&path, file.to_string()).unwrap();
        let error = refused(copy.path(), json!({}));
        fs::write(&path, before).unwrap();
        error
    };
    let error = change("med_config.json", "vocab_size", json!(20));
    assert!(
        error.contains("does the vocabulary belong to this model"),
        "{error}"
    );
    let error = change("med_config.json", "max_position_embeddings", json!(30));
    assert!(error.contains("texts have up to 35 tokens"), "{error}");
    let error = change("vit_config.json", "patch_size", json!(7));
    assert!(
        error.contains("vit_config.json: patch_size is 7"),
        "{error}"
    );
    let error = refused(copy.path(), json!({}));
    assert!(
        error.contains("looked for ImageReward.safetensors, ImageReward.pt"),
        "{error}"
    );
    fs::write(copy.path().join("med_config.json"), "{").unwrap();
    assert!(refused(copy.path(), json!({})).contains("med_config.json is not readable"));
}
