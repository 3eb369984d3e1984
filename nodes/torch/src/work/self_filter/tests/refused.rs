//! What is said of images, features and settings that no run can have.

use arrow::array::StringArray;
use serde_json::{Value as Json, json};

use super::Run;
use crate::work::testing::roots;

#[test]
fn every_unreadable_image_is_named_before_training() {
    let run = Run::new(&roots()[0], 1e-4);
    let bytes = std::fs::read(roots()[0].join("data/images/photo_420.jpg")).unwrap();
    let cut = run.folder.path().join("cut.jpg");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let images: StringArray = run
        .images()
        .iter()
        .enumerate()
        .map(|(row, path)| match row {
            0 => Some(cut.to_str().unwrap()),
            1 => Some("/nowhere/gone.jpg"),
            // Its text shows no image, so that nobody looks at it.
            9 => Some("/nowhere/unused.jpg"),
            _ => path,
        })
        .collect();
    let error = run.fails(&[run.input(images), run.clip()]);
    assert!(error.starts_with("2 images cannot be read"), "{error}");
    assert!(
        error.contains("unique_idx 0: ") && error.contains("cut.jpg: the JPEG file is cut off"),
        "{error}"
    );
    assert!(
        error.contains("unique_idx 1: cannot read /nowhere/gone.jpg"),
        "{error}"
    );
}

#[test]
fn wrong_features_orders_and_settings_are_named() {
    let run = Run::new(&roots()[0], 1e-4);
    let input = || run.input(run.images());
    let mut values = vec![Some(1.0); run.rows()];
    values[6] = Some(f64::NAN);
    let error = run.fails(&[input(), run.scalar(values)]);
    assert!(
        error.contains("node.score") && error.contains("[6]"),
        "{error}"
    );

    let error = run.fails(&[input(), run.clip(), run.scalar(vec![Some(1.0); run.rows()])]);
    assert!(
        error.contains("the initial score net has 24 weights"),
        "{error}"
    );

    let mut short = run.clip();
    short.chunks.clear();
    let error = run.fails(&[input(), short]);
    assert!(error.contains("it has 0 rows, the input has 21"), "{error}");
    let error = run.fails(&[input()]);
    assert!(error.contains("no feature was given"), "{error}");
    let error = run.fails(&[]);
    assert!(error.contains("no table `input`"), "{error}");

    let features = || [input(), run.clip()];
    let set = |key: &str, value: Json| Run::new(&roots()[0], 1e-4).set(key, value);
    for (key, value, part) in [
        (
            "order",
            json!([[0], [1, 999]]),
            "batch 1 names unique_idx 999",
        ),
        ("prompt", json!("v7"), "no prompt template \"v7\""),
        ("trainable", json!("some"), "some"),
        ("epochs", json!(0), "epochs is 0"),
        ("max_length", json!(8), "within max_length 8"),
        ("speed", json!(1), "speed"),
        ("vlm", json!("/nowhere/vicuna"), "/nowhere/vicuna"),
        (
            "projector",
            json!(roots()[0].join("clip/model.safetensors")),
            "mm_projector.weight",
        ),
    ] {
        let error = set(key, value).fails(&features());
        assert!(error.contains(part), "{key}: {error}");
    }
}
