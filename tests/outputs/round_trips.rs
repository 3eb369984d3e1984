//! What is written is read back by our own loaders, value for value.

use serde_json::{Map, Value};

use super::{files, project};
use crate::support::Project;

const VALUES: [&str; 4] = ["id", "image", "text", "conversations"];

/// Rows without what every loader makes anew, `image` by what the file holds.
fn values(project: &Project, pipeline: &str, columns: &[&str]) -> Vec<Map<String, Value>> {
    let shown = project
        .run(&["show", pipeline, "rows", "--format", "json"])
        .succeeded();
    let Value::Array(rows) = serde_json::from_str(&shown.stdout).expect("JSON") else {
        panic!("{}", shown.stdout);
    };
    rows.iter()
        .map(|row| {
            let of = |name: &&str| {
                let mut value = row[*name].clone();
                if let (&"image", Some(path)) = (name, value.as_str()) {
                    let path = path.replace("[FOLDER]", &project.path("").display().to_string());
                    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
                    value = format!("{bytes:?}").into();
                }
                ((*name).to_owned(), value)
            };
            columns.iter().map(of).collect()
        })
        .collect()
}

/// Writes by `output`, reads by `load` and compares.
fn comes_back(output: &str, load: &str, columns: &[&str]) -> Project {
    let project = project(output);
    project.ran(&[]);
    project.file(
        "back.yaml",
        format!("version: 1\nnodes:\n  rows: {{ {load} }}\noutputs: [{{ from: rows, path: back.jsonl, format: jsonl }}]\n"),
    );
    project.run(&["run", "back.yaml"]).succeeded();
    let (written, read) = (
        values(&project, "p.yaml", columns),
        values(&project, "back.yaml", columns),
    );
    assert_eq!(written.len(), 4);
    assert_eq!(written, read);
    project
}

#[test]
fn llava() {
    let load = "kind: load.llava, annotations: out.json, images: out_images";
    let project = comes_back("path: out.json, format: llava, images: copy", load, &VALUES);
    assert_eq!(files(&project, "out_images").len(), 2);
}

#[test]
fn sharegpt_as_llava() {
    for file in ["out.json", "out.jsonl"] {
        let load = format!("kind: load.llava, annotations: {file}");
        comes_back(
            &format!("path: {file}, format: sharegpt, images: link"),
            &load,
            &VALUES,
        );
    }
}

#[test]
fn jsonl() {
    let output =
        "path: out.jsonl, format: jsonl, images: copy, columns: [id, image, text, conversations]";
    comes_back(output, "kind: load.jsonl, path: out.jsonl", &VALUES);
    // With the images where they were, their paths are absolute.
    let output = "path: out.jsonl, format: jsonl, columns: [id, image, text, conversations]";
    comes_back(output, "kind: load.jsonl, path: out.jsonl", &VALUES);
}

#[test]
fn parquet() {
    let output = "path: out.parquet, format: parquet, images: copy, columns: [id, image, text, conversations, raw]";
    let columns = [&VALUES[..], &["raw"]].concat();
    comes_back(output, "kind: load.parquet, path: out.parquet", &columns);
    let output =
        "path: out.parquet, format: parquet, columns: [id, image, text, conversations, raw]";
    comes_back(output, "kind: load.parquet, path: out.parquet", &columns);
}

#[test]
fn arrow() {
    let output =
        "path: out.arrow, format: arrow, images: copy, columns: [id, image, text, conversations]";
    comes_back(output, "kind: load.arrow, path: out.arrow", &VALUES);
    let output = "path: out.arrow, format: arrow, columns: [id, image, text, conversations, raw]";
    let columns = [&VALUES[..], &["raw"]].concat();
    comes_back(output, "kind: load.arrow, path: out.arrow", &columns);
}

#[test]
fn sharegpt() {
    for file in ["out.json", "out.jsonl"] {
        let load = format!("kind: load.chat, path: {file}, format: sharegpt");
        let output = format!("path: {file}, format: sharegpt, images: copy");
        comes_back(&output, &load, &VALUES);
    }
}

#[test]
fn messages() {
    for file in ["out.json", "out.jsonl"] {
        let load = format!("kind: load.chat, path: {file}");
        let output = format!("path: {file}, format: messages, images: link");
        comes_back(&output, &load, &VALUES);
    }
}

#[test]
fn csv() {
    // Lists are JSON text there.
    let output = "path: out.csv, format: csv, images: copy, columns: [id, image, text]";
    let load = "kind: load.csv, path: out.csv";
    comes_back(output, load, &["id", "image", "text"]);
}

#[test]
fn parquet_with_the_images_inside() {
    let output = "path: out.parquet, format: parquet, images: embed, columns: [id, image, text, conversations]";
    comes_back(output, "kind: load.parquet, path: out.parquet", &VALUES);
}

#[test]
fn webdataset() {
    let output = "path: out, format: webdataset, columns: [id, image, text, conversations]";
    let load = "kind: load.webdataset, path: \"out/*.tar\", columns: [id, conversations]";
    let project = comes_back(output, load, &["id", "image", "text"]);
    // Lists are JSON text there.
    let (written, read) = ("p.yaml", "back.yaml");
    let of = |pipeline| values(&project, pipeline, &["conversations"]);
    for (written, read) in of(written).iter().zip(&of(read)) {
        let text = read["conversations"].as_str().expect("text");
        let turns: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(written["conversations"], turns);
    }
}
