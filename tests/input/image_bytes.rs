//! Images that stand in the data as bytes: files of the cache, read as all others.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use serde_json::Value;
use trommel_nodes::write::parquet_bytes;

use crate::support::{Project, repository};

const PIPELINE: &str = "version: 1
nodes:
  rows: { kind: load.parquet, path: data.parquet }
  picture: { kind: score.image, input: rows, measures: [width, blur] }
outputs:
  - { from: picture, path: out.json, format: jsonl }
  - { from: rows.images, path: written, format: folder }
";

fn images() -> Vec<PathBuf> {
    let folder = repository("tests/golden/data/images");
    let mut images: Vec<PathBuf> = fs::read_dir(folder)
        .expect("images")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    images.sort();
    images.truncate(3);
    images
}

/// Rows: two images, the first again, one by its path, none.
fn contents() -> Vec<Option<Vec<u8>>> {
    let bytes = |n: usize| Some(fs::read(&images()[n]).expect("an image"));
    vec![bytes(0), bytes(1), bytes(0), None, None]
}

fn parquet(name: &str, image: ArrayRef) -> Vec<u8> {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..image.len() as i64));
    let columns = [("n", numbers, true), (name, image, true)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("a batch");
    parquet_bytes(&batch).expect("a file")
}

/// As Hugging Face's datasets write a feature `Image`.
fn hugging_face() -> Vec<u8> {
    let contents = contents();
    let paths = images();
    let third = paths[2].to_str().expect("a path");
    let path = vec![Some("a.jpg"), None, Some("a.jpg"), Some(third), None];
    let field = |name, ty| Field::new(name, ty, true);
    let structs = StructArray::new(
        vec![
            field("bytes", DataType::Binary),
            field("path", DataType::Utf8),
        ]
        .into(),
        vec![
            Arc::new(BinaryArray::from_iter(contents)),
            Arc::new(StringArray::from(path)),
        ],
        Some(NullBuffer::from(vec![true, true, true, true, false])),
    );
    parquet("image", Arc::new(structs))
}

fn project(content: Vec<u8>) -> Project {
    let project = Project::new();
    project
        .file("p.yaml", PIPELINE)
        .file("data.parquet", content);
    project
}

fn column(table: &Value, name: &str) -> Vec<Value> {
    let rows = table.as_array().expect("rows");
    rows.iter().map(|row| row[name].clone()).collect()
}

fn files(project: &Project, folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![project.path(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn images_as_bytes_are_measured_like_files_and_kept_once() {
    let project = project(hugging_face());
    project.passes(&[]);
    let blobs = files(&project, ".trommel/blobs");
    assert_eq!(blobs.len(), 2, "each image once");
    let paths = column(&project.table("rows"), "image");
    assert_eq!(paths[0], paths[2]);
    assert!(
        paths[0]
            .as_str()
            .expect("a path")
            .starts_with("[FOLDER]/.trommel/blobs/")
    );
    assert_eq!(paths[3], images()[2].to_str().expect("a path"));
    assert_eq!(paths[4], Value::Null);

    let listed = Project::new();
    let all = images();
    let lines = [0, 1, 0, 2].map(|n: usize| serde_json::json!({ "image": all[n] }).to_string());
    listed.file(
        "data.jsonl",
        format!("{}\n{{\"image\": null}}\n", lines.join("\n")),
    );
    let text = PIPELINE.replace(
        "load.parquet, path: data.parquet",
        "load.jsonl, path: data.jsonl",
    );
    let text = text.lines().filter(|line| !line.contains("written"));
    listed.file("p.yaml", text.collect::<Vec<_>>().join("\n"));
    listed.passes(&[]);
    for measure in ["image_width", "image_blur"] {
        let expected = column(&listed.table("picture"), measure);
        assert_eq!(column(&project.table("picture"), measure), expected);
        assert!(expected[0].is_number() && expected[4].is_null());
    }
    let written = files(&project, "written");
    let mut contents: Vec<Vec<u8>> = written
        .iter()
        .map(|f| fs::read(f).expect("a file"))
        .collect();
    contents.sort();
    let mut expected = vec![
        fs::read(&all[0]).expect("a file"),
        fs::read(&all[1]).expect("a file"),
    ];
    expected.sort();
    assert_eq!(contents, expected);
    let known = |path: &PathBuf| path.extension().is_some_and(|e| e == "jpg" || e == "png");
    assert!(written.iter().all(known), "{written:?}");
}

#[test]
fn nothing_is_done_twice_and_a_lost_image_comes_back() {
    let project = project(hugging_face());
    project.passes(&[]);
    let rows = project.table("rows");
    assert!(project.ran(&[]).starts_with("nothing;"));
    project.run(&["cache", "gc"]).succeeded();
    assert!(project.ran(&[]).starts_with("nothing;"));
    let lost = files(&project, ".trommel/blobs").swap_remove(0);
    fs::remove_file(&lost).expect("removed");
    project.passes(&[]);
    assert!(lost.is_file());
    assert_eq!(project.table("rows"), rows);
    // The keys of rows do not depend on where the cache is.
    project
        .run(&["run", "p.yaml", "--cache", "other"])
        .succeeded();
    let other = project
        .run(&[
            "show", "p.yaml", "rows", "--format", "json", "--cache", "other",
        ])
        .succeeded();
    let other: Value = serde_json::from_str(&other.stdout).expect("JSON");
    assert_eq!(column(&other, "key"), column(&rows, "key"));
    assert_ne!(column(&other, "image"), column(&rows, "image"));
}

#[test]
fn plain_bytes_are_images_too_under_any_name() {
    for name in ["image", "photo"] {
        let bytes: ArrayRef = Arc::new(BinaryArray::from_iter(contents()));
        let project = project(parquet(name, bytes));
        let path = format!("data.parquet, image: {name}");
        project.file("p.yaml", PIPELINE.replace("data.parquet", &path));
        project.passes(&[]);
        let paths = column(&project.table("rows"), "image");
        assert!(paths[1].is_string() && paths[3].is_null());
    }
}

#[test]
fn an_image_without_bytes_names_file_and_row() {
    let mut contents = contents();
    contents.resize(1500, None);
    contents[1300] = Some(Vec::new());
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter(contents));
    project(parquet("image", bytes)).fails(&["data.parquet, row 1300: the image has no bytes"]);
}
