//! Embeddings and scores of recorded images and texts, whatever the batches, and what comes of images that cannot be used.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Float32Type;
use serde_json::json;
use tch::Device;
use trommel_checkpoint::Checkpoint;
use trommel_engine::table::vectors;

use super::files::Read;
use super::pairs::Embedder;
use super::{open_embedding, open_score};
use crate::work::Session;
use crate::work::testing::{golden, images_and_texts, read_json, roots};

mod forms;

fn session(root: &Path, batch_size: Option<usize>) -> Session {
    let config = json!({"model": root.join("clip"), "precision": "f32", "batch_size": batch_size});
    open_embedding(config, Device::Cpu).unwrap()
}

fn largest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |most, (a, b)| {
        let difference = (a - b).abs();
        // NaN counts.
        if difference <= most { most } else { difference }
    })
}

#[test]
fn recorded_features_whatever_the_batches() {
    for root in roots() {
        let rows = images_and_texts(&root);
        let path = root.join("golden/2_clip/clip_features.safetensors");
        let file = Checkpoint::open(&path).unwrap();
        let expected = file.require("features").unwrap().to_f32().unwrap();
        let width = expected.len() / rows.num_rows();
        let embed = |rows: &RecordBatch, batch_size| {
            let answer = session(&root, batch_size).rows(rows).unwrap();
            assert!(answer.failed.is_empty(), "{:?}", answer.failed);
            let found = vectors(answer.columns.column_by_name("clip").unwrap()).unwrap();
            assert_eq!((found.rows(), found.width()), (rows.num_rows(), width));
            found
        };
        let (together, in_threes) = (embed(&rows, None), embed(&rows, Some(3)));
        for row in 0..rows.num_rows() {
            let has_image = rows.column(0).is_valid(row);
            let found = together.row(row);
            assert_eq!(found.is_some(), has_image, "row {row}");
            let Some(found) = found else { continue };
            let recorded = largest(found, &expected[row * width..][..width]);
            let batched = largest(found, in_threes.row(row).unwrap());
            let alone = embed(&rows.slice(row, 1), None);
            let alone = largest(found, alone.row(0).unwrap());
            assert!(
                recorded < 1e-5,
                "{} row {row}: {recorded:e}",
                root.display()
            );
            assert!(
                batched < 1e-6 && alone < 1e-6,
                "row {row}: {batched:e}, {alone:e}"
            );
        }
    }
}

#[test]
fn what_cannot_be_embedded_fails_alone_and_says_which_file() {
    let folder = tempfile::tempdir().unwrap();
    let whole = golden("data/images/photo_420.jpg");
    let bytes = std::fs::read(&whole).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Some(path.to_str().unwrap().to_owned())
    };
    let good = whole.to_str().map(str::to_owned);
    let images = StringArray::from(vec![
        good.clone(),
        file("cut.jpg", &bytes[..bytes.len() / 2]),
        file("text.png", b"no image at all"),
        file("empty.jpg", b""),
        Some("/nowhere/gone.jpg".into()),
        None,
        good.clone(),
        good,
    ]);
    let text = Some("a red cup");
    let texts = StringArray::from(vec![text, text, text, text, text, text, None, Some("")]);
    let rows = RecordBatch::try_from_iter_with_nullable([
        ("text", Arc::new(texts) as ArrayRef, true),
        ("image", Arc::new(images) as ArrayRef, true),
    ])
    .unwrap();
    let answer = session(&roots()[0], Some(2)).rows(&rows).unwrap();
    let column = answer.columns.column(0).as_fixed_size_list();
    let valid: Vec<bool> = (0..8).map(|row| column.is_valid(row)).collect();
    // An empty text is two tokens: its beginning and its end.
    assert_eq!(
        valid,
        [true, false, false, false, false, false, false, true]
    );
    let failed: Vec<usize> = answer.failed.iter().map(|failure| failure.row).collect();
    assert_eq!(failed, [1, 2, 3, 4]);
    for (failure, part) in answer.failed.iter().zip([
        "cut.jpg: the JPEG file is cut off",
        "text.png: not an image",
        "empty.jpg: the file is empty",
        "cannot read /nowhere/gone.jpg",
    ]) {
        assert!(failure.reason.contains(part), "{}", failure.reason);
    }
}

#[test]
fn no_rows_are_no_rows() {
    let rows = images_and_texts(&roots()[0]).slice(0, 0);
    let answer = session(&roots()[0], None).rows(&rows).unwrap();
    assert_eq!(answer.columns.num_rows(), 0);
    assert_eq!(
        answer.columns.column(0).as_fixed_size_list().value_length(),
        24
    );
}

#[test]
fn wrong_configurations_and_folders_are_told() {
    let error = |config| match open_embedding(config, Device::Cpu) {
        Ok(_) => panic!("it opened"),
        Err(error) => error.words(),
    };
    let missing = error(json!({"model": "/nowhere/clip", "precision": "f32"}));
    assert!(missing.contains("/nowhere/clip/config.json"), "{missing}");
    let precision = error(json!({"model": "/nowhere/clip", "precision": "f8"}));
    assert!(precision.contains("f8"), "{precision}");
    let llama = error(json!({"model": golden("llama"), "precision": "f32"}));
    assert!(llama.contains("tests/golden/llama"), "{llama}");
}

#[test]
fn recorded_scores() {
    for root in roots() {
        let config = json!({"model": root.join("clip"), "precision": "f32", "batch_size": 5});
        let mut session = open_score(config, Device::Cpu).unwrap();
        let rows = images_and_texts(&root);
        let answer = session.rows(&rows).unwrap();
        let found = answer.columns.column_by_name("clip_score").unwrap();
        let found = found.as_primitive::<Float32Type>();
        let expected = read_json(&root.join("golden/2_clip/llava_clipscore.json"));
        for row in 0..rows.num_rows() {
            let expected = expected[row.to_string()].as_f64();
            assert_eq!(found.is_valid(row), rows.column(0).is_valid(row));
            if let Some(expected) = expected.filter(|_| found.is_valid(row)) {
                let deviation = (f64::from(found.value(row)) - expected).abs();
                assert!(deviation < 1e-5, "row {row}: {deviation:e}");
            }
        }
    }
}

#[test]
fn bf16_is_near() {
    let root = &roots()[0];
    let rows = images_and_texts(root);
    let scores = |precision: &str| -> Vec<Option<f32>> {
        let config = json!({"model": root.join("clip"), "precision": precision});
        let answer = open_score(config, Device::Cpu)
            .unwrap()
            .rows(&rows)
            .unwrap();
        answer
            .columns
            .column(0)
            .as_primitive::<Float32Type>()
            .iter()
            .collect()
    };
    let (exact, rough) = (scores("f32"), scores("bf16"));
    assert_ne!(exact, rough);
    let differences = exact.into_iter().flatten().zip(rough.into_iter().flatten());
    let largest = differences.fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(largest < 0.1, "{largest}");
}

/// Rows of files and texts.
fn rows(pairs: &[(&Path, &str)]) -> RecordBatch {
    let images: StringArray = pairs.iter().map(|(path, _)| path.to_str()).collect();
    let texts: StringArray = pairs.iter().map(|(_, text)| Some(*text)).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("image", Arc::new(images) as ArrayRef, true),
        ("text", Arc::new(texts) as ArrayRef, true),
    ])
    .unwrap()
}

#[test]
fn equal_contents_are_embedded_once_within_a_request_and_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let original = golden("data/images/photo_420.jpg");
    let copy = folder.path().join("copy.jpg");
    std::fs::copy(&original, &copy).unwrap();
    let config = json!({"model": golden("clip"), "precision": "f32", "batch_size": 1});
    roots();
    let mut embedder = Embedder::open("embed.clip", config, Device::Cpu).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    {
        let reader = embedder.files().reader();
        assert!(matches!(reader.read(&path(&original)), Read::New(_, Ok(_))));
        assert!(matches!(reader.read(&path(&copy)), Read::Twin(_)));
    }
    let first = embedder
        .pairs(&rows(&[(&original, "a red cup"), (&copy, "a red cup")]))
        .unwrap();
    let first: Vec<_> = first.rows.into_iter().flatten().collect();
    assert!(Arc::ptr_eq(&first[0].0, &first[1].0) && Arc::ptr_eq(&first[0].1, &first[1].1));
    // The next request knows it, wherever the bytes lie.
    assert!(matches!(
        embedder.files().reader().read(&path(&copy)),
        Read::Known(_)
    ));
    let other = golden("data/images/plain.png");
    let second = embedder
        .pairs(&rows(&[(&other, "a red cup"), (&copy, "a blue cup")]))
        .unwrap();
    let second: Vec<_> = second.rows.into_iter().flatten().collect();
    assert!(Arc::ptr_eq(&second[0].1, &first[0].1), "the text");
    assert!(Arc::ptr_eq(&second[1].0, &first[0].0), "the image");
    assert_ne!(second[0].0, second[1].0);
    assert_ne!(second[0].1, second[1].1);
}

#[test]
fn each_copy_of_a_damaged_image_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a.png", "b.png"].map(|name| folder.path().join(name));
    for path in [&a, &b] {
        std::fs::write(path, b"no image at all").unwrap();
    }
    let answer = session(&roots()[0], None)
        .rows(&rows(&[(&a, "x"), (&b, "x")]))
        .unwrap();
    let reasons: Vec<&str> = answer.failed.iter().map(|f| f.reason.as_str()).collect();
    assert!(reasons[0].contains("a.png: not an image"), "{reasons:?}");
    assert!(reasons[1].contains("b.png: not an image"), "{reasons:?}");
}

#[test]
fn tf32_is_f32_on_the_cpu() {
    let root = &roots()[0];
    let rows = images_and_texts(root);
    let embed = |precision: &str| {
        let config = json!({"model": root.join("clip"), "precision": precision});
        open_embedding(config, Device::Cpu)
            .unwrap()
            .rows(&rows)
            .unwrap()
            .columns
    };
    assert_eq!(embed("f32"), embed("tf32"));
}
