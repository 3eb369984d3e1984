//! All measures of images against recorded values, and files that cannot be read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{Float32Type, UInt32Type, UInt64Type};
use serde_json::{Value as Json, json};

use super::super::testing::{contract, recorded, rows, run};
use super::*;

const ALL: [&str; 13] = [
    "width",
    "height",
    "aspect_ratio",
    "megapixels",
    "bytes",
    "format",
    "blur",
    "brightness",
    "contrast",
    "colourfulness",
    "entropy",
    "dhash",
    "phash",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn measure(measures: &[&str], paths: &[Option<&str>]) -> RowOutput {
    let config = json!({ "input": "rows", "measures": measures });
    let paths: ArrayRef = Arc::new(StringArray::from(paths.to_vec()));
    run::<Image>(config, &rows([("image", paths)])).unwrap()
}

/// A value as JSON; hashes as imagehash writes them.
fn value(array: &ArrayRef, name: &str, row: usize) -> Json {
    match array.data_type() {
        _ if array.is_null(row) => Json::Null,
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 if name.ends_with("hash") => {
            format!("{:016x}", array.as_primitive::<UInt64Type>().value(row)).into()
        }
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
        _ => array.as_string::<i32>().value(row).into(),
    }
}

/// Tiny images of every mode and drawn ones, measured by Pillow 10.4, `OpenCV`, NumPy and imagehash.
#[test]
fn measures_are_those_of_pil_opencv_and_imagehash() {
    let recorded = recorded();
    let images = recorded["images"].as_object().expect("images");
    assert!(images.len() > 50);
    let paths: Vec<String> = images
        .keys()
        .map(|name| repository().join(name).to_string_lossy().into_owned())
        .collect();
    let paths: Vec<Option<&str>> = paths.iter().map(|path| Some(path.as_str())).collect();
    let output = measure(&ALL, &paths);
    assert!(output.failed.is_empty(), "{:?}", output.failed);
    let mut wrong = Vec::new();
    for (row, (name, expected)) in images.iter().enumerate() {
        for (array, measure) in output.columns.columns().iter().zip(ALL) {
            let (ours, theirs) = (value(array, measure, row), &expected[measure]);
            let near = match (ours.as_f64(), theirs.as_f64()) {
                (Some(ours), Some(theirs)) => (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1.0),
                _ => ours == *theirs,
            };
            if !near {
                wrong.push(format!("{name}: {measure} is {ours}, not {theirs}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_head_tells_the_same_as_the_whole() {
    let recorded = recorded();
    for name in recorded["images"].as_object().expect("images").keys() {
        let path = repository().join(name).to_string_lossy().into_owned();
        let (head, whole) = (
            head(&path).unwrap().unwrap(),
            whole(&path).unwrap().unwrap(),
        );
        assert_eq!(
            (head.header, head.bytes),
            (whole.header, whole.bytes),
            "{name}"
        );
    }
}

#[test]
fn a_head_behind_a_large_profile_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let image = std::fs::read(repository().join("nodes/media/tests/images/rgb_0.jpg")).unwrap();
    // Two application segments of 65,533 bytes before everything else.
    let mut bytes = image[..2].to_vec();
    for _ in 0..2 {
        bytes.extend([0xFF, 0xEB, 0xFF, 0xFF]);
        bytes.extend(vec![0; 65_533]);
    }
    bytes.extend(&image[2..]);
    let path = folder.path().join("profile.jpg");
    std::fs::write(&path, bytes).unwrap();
    let path = path.to_string_lossy();
    let output = measure(&["width", "height"], &[Some(&path)]).columns;
    assert_eq!(value(output.column(0), "width", 0), 23);
    assert_eq!(value(output.column(1), "height", 0), 17);
}

#[test]
fn broken_files_are_named_and_others_measured() {
    let folder = repository().join("nodes/media/tests/images");
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let names = [
        "rgb.png",
        "text.jpg",
        "half_rgb.png",
        "gone.png",
        "empty.png",
    ]
    .map(path);
    let mut paths: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    paths.push(None);
    let output = measure(&["blur", "width"], &paths);
    let blur = output.columns.column(0);
    let valid: Vec<bool> = (0..6).map(|row| blur.is_valid(row)).collect();
    assert_eq!(valid, [true, false, false, false, false, false]);
    let failed: Vec<usize> = output.failed.iter().map(|failure| failure.row).collect();
    assert_eq!(failed, [1, 2, 3, 4]);
    for (failure, words) in output.failed.iter().zip([
        "text.jpg: not an image",
        "half_rgb.png: the Png file is cut off",
        "gone.png: No such file",
        "empty.png: the file is empty",
    ]) {
        assert!(failure.reason.contains(words), "{}", failure.reason);
    }
    // The head of a file that is cut off is there.
    let output = measure(&["width"], &paths);
    let failed: Vec<usize> = output.failed.iter().map(|failure| failure.row).collect();
    assert_eq!(failed, [1, 3, 4]);
}

#[test]
fn columns_are_those_promised() {
    let config = json!({ "input": "rows", "measures": ALL, "image": "picture" });
    let contract = contract::<Image>(config);
    let reads = &contract.inputs[0].reads[0];
    assert!(reads.files && reads.column == "picture");
    let output = measure(&ALL, &[None]);
    for (array, (name, ty)) in output
        .columns
        .columns()
        .iter()
        .zip(&contract.ports[0].columns)
    {
        assert_eq!(ColumnType::of(array.data_type()), *ty, "{name}");
    }
}
