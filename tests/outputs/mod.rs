//! What stands in outputs and beside them: formats, images, dataset cards, and that what is written is read back.

mod cards;
mod columns;
mod formats;
mod images;
mod interop;
mod round_trips;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Project, Record, llava};

/// Four records, of which three name two images; all columns are read.
fn project(outputs: &str) -> Project {
    let project = Project::new();
    let record = |image, question, answer| Record {
        image,
        question,
        answer,
    };
    llava(
        &project,
        &[
            record(Some("a/one.png"), "What?", "A thing, \"so\".\nYes."),
            record(None, "Und \u{e4}?", "\u{1f600}"),
            record(Some("two.png"), "Where?", ""),
            record(Some("a/one.png"), "What?", "Other."),
        ],
    );
    project.file("images/unused.png", "not asked for");
    // Another content, so that images can be told apart.
    let mut other = fs::read(project.path("images/two.png")).expect("an image");
    other.extend(b"two");
    project.file("images/two.png", other);
    project.file("p.yaml", pipeline(outputs));
    project
}

fn pipeline(outputs: &str) -> String {
    let outputs: Vec<String> = outputs
        .lines()
        .map(|output| format!("  - {{ from: rows, {output} }}\n"))
        .collect();
    format!(
        "version: 1\nname: small\nnodes:\n  rows: {{ kind: load.llava, annotations: data.json, images: images }}\n\
         outputs:\n{}",
        outputs.concat()
    )
}

/// The records of a JSON array, or of lines.
fn records(project: &Project, file: &str) -> Vec<Value> {
    let text = project.read(file);
    let parsed = |text: &str| serde_json::from_str(text).unwrap_or_else(|e| panic!("{file}: {e}"));
    if Path::new(file).extension().is_some_and(|e| e == "jsonl") {
        return text.lines().map(parsed).collect();
    }
    let Value::Array(records) = parsed(&text) else {
        panic!("{file} is no array");
    };
    records
}

/// Names and bytes of all files below a folder of the project, by name.
fn files(project: &Project, folder: &str) -> Vec<(String, Vec<u8>)> {
    let (root, mut found) = (project.path(folder), Vec::new());
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).expect("inside").display();
            found.push((name.to_string(), fs::read(&path).expect("a file")));
        }
    }
    found.sort();
    found
}

/// The one image, or the other, as it was.
fn image(project: &Project, name: &str) -> (String, Vec<u8>) {
    let bytes = fs::read(project.path(&format!("images/{name}"))).expect("an image");
    (name.to_owned(), bytes)
}
