//! Hugging Face `datasets`, `webdataset` and pyarrow read what we write, and we what they write (`make interop`).
#![expect(clippy::print_stderr, reason = "a test tells why it was skipped")]

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::project;
use crate::support::{Project, repository};

/// Where `make interop` puts the packages.
fn packages() -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_trommel"));
    program.with_file_name("../interop/packages")
}

fn python(project: &Project) -> Command {
    let mut python = Command::new("python3");
    python
        .env("PYTHONPATH", packages())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HF_HOME", project.path("hf"))
        .env("HF_HUB_OFFLINE", "1");
    python
}

/// Whether the packages are there; `make interop` sees to it, and then they must be.
fn there() -> bool {
    if packages().join("datasets").is_dir() && packages().join("webdataset").is_dir() {
        return true;
    }
    let needed = std::env::var_os("TROMMEL_INTEROP").is_some();
    assert!(!needed, "the packages are not in {}", packages().display());
    eprintln!("skipped: the packages of `make interop` are not installed");
    false
}

fn says_done(project: &Project, verb: &str) {
    let script = repository("tests/outputs/interop.py");
    let ended = python(project)
        .arg(script)
        .arg(verb)
        .arg(project.path("."))
        .output()
        .expect("python3 starts");
    let words = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{words}");
    assert!(
        String::from_utf8_lossy(&ended.stdout).ends_with("done\n"),
        "{words}"
    );
}

#[test]
fn others_read_what_we_write() {
    let columns = "columns: [id, image, text, conversations]";
    let outputs = [
        format!("path: out/lines.jsonl, format: jsonl, images: copy, card: true, {columns}"),
        format!("path: out/linked.parquet, format: parquet, images: link, {columns}"),
        format!("path: out/embedded.parquet, format: parquet, images: embed, {columns}"),
        format!("path: out/table.arrow, format: arrow, images: link, {columns}"),
        format!("path: out/values.csv, format: csv, images: link, {columns}"),
        "path: out/share.json, format: sharegpt, images: link".into(),
        "path: out/share_lines.jsonl, format: sharegpt, images: link".into(),
        "path: out/messages.json, format: messages, images: link".into(),
        "path: out/messages_lines.jsonl, format: messages, images: link".into(),
        format!("path: out/shards, format: webdataset, {columns}"),
    ];
    let project = project(&outputs.join("\n"));
    if !there() {
        return;
    }
    let text = project.read("p.yaml").replace(
        "outputs:\n",
        "  pictured: { kind: select.where, input: rows, expression: image IS NOT NULL }\noutputs:\n",
    );
    let pictured =
        format!("  - {{ from: pictured, path: out/pictured, format: webdataset, {columns} }}\n");
    project.file("p.yaml", text + &pictured);
    project.ran(&[]);
    let texts: Vec<Value> = project
        .table("rows")
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["text"].clone())
        .collect();
    project.file("texts.json", json!(texts).to_string());
    says_done(&project, "read");
}

#[test]
fn we_read_what_others_write() {
    let project = project("path: out.json, format: llava");
    if !there() {
        return;
    }
    says_done(&project, "write");
    let theirs: Vec<Value> = serde_json::from_str(&project.read("theirs.json")).expect("JSON");
    project.file(
        "p.yaml",
        "version: 1\nnodes:\n  arrow: { kind: load.arrow, path: \"theirs/*.arrow\" }\n  parquet: { kind: load.parquet, path: theirs.parquet }\n  lines: { kind: load.jsonl, path: theirs.jsonl }\n  \
         pictures: { kind: load.parquet, path: theirs.parquet, image: picture }\n  shards: { kind: load.webdataset, path: \"theirs-*.tar\", columns: [id, tags] }\n\
         outputs:\n  - { from: parquet, path: a.jsonl, format: jsonl }\n  - { from: lines, path: b.jsonl, format: jsonl }\n  \
         - { from: pictures, path: c.jsonl, format: jsonl }\n  - { from: shards, path: d.jsonl, format: jsonl }\n  \
         - { from: arrow, path: e.jsonl, format: jsonl }\n",
    );
    project.ran(&[]);
    for (file, node) in [
        ("parquet", "a.jsonl"),
        ("jsonl", "b.jsonl"),
        ("arrow", "e.jsonl"),
    ] {
        let read = super::records(&project, node);
        assert_eq!(read.len(), theirs.len(), "{file}");
        for (ours, theirs) in read.iter().zip(&theirs) {
            for name in ["id", "caption", "score", "count", "tags"] {
                assert_eq!(ours[name], theirs[name], "{name} of theirs.{file}");
            }
        }
    }
    for (ours, theirs) in super::records(&project, "a.jsonl").iter().zip(&theirs) {
        assert_eq!(ours["picture"]["bytes"], theirs["picture"]);
    }
    let digits = |bytes: Vec<u8>| {
        let digit = |half: u8| char::from_digit(half.into(), 16).expect("half a byte");
        let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        halves.map(digit).collect::<String>()
    };
    let hex = |path: &Value| Some(digits(std::fs::read(path.as_str()?).expect("the image")));
    for node in ["c.jsonl", "d.jsonl"] {
        let read = super::records(&project, node);
        assert_eq!(read.len(), theirs.len(), "{node}");
        for (ours, theirs) in read.iter().zip(&theirs) {
            assert_eq!(json!(hex(&ours["image"])), theirs["picture"], "{node}");
        }
    }
    for (ours, theirs) in super::records(&project, "d.jsonl").iter().zip(&theirs) {
        assert_eq!(ours["text"], theirs["caption"]);
        assert_eq!(ours["id"], theirs["id"]);
        let tags: Value = serde_json::from_str(ours["tags"].as_str().expect("text")).expect("JSON");
        assert_eq!(tags, theirs["tags"]);
    }
}
