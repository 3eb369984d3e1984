//! Rows of several sources in one table.

use serde_json::{Value, json};

use crate::support::Project;

const PIPELINE: &str = "version: 1
nodes:
  a: { kind: load.llava, annotations: a.json }
  b: { kind: load.chat, path: b.jsonl }
  all: { kind: load.concat, inputs: [a, b] }
  words: { kind: score.text, input: all, measures: [words] }
  some: { kind: select.random, input: all, count: 3 }
outputs:
  - { from: some, path: out.json, format: llava }
  - { from: words, path: words.jsonl, format: jsonl }
";

fn record(id: &str, question: &str) -> Value {
    json!({ "id": id, "conversations": [{ "from": "human", "value": question }, { "from": "gpt", "value": "a" }] })
}

fn project() -> Project {
    let project = Project::new();
    let twin = record("twin", "q");
    project
        .file("p.yaml", PIPELINE)
        .file("a.json", json!([record("1", "one two"), twin]).to_string())
        .file("b.jsonl", format!("{twin}\n{}\n", record("2", "three")));
    project
}

fn column(table: &Value, name: &str) -> Vec<Value> {
    let rows = table.as_array().expect("rows");
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn rows_say_where_they_come_from() {
    let project = project();
    project.passes(&["left out, since not all tables have them: b.system"]);
    let all = project.table("all");
    assert_eq!(column(&all, "source"), ["a", "a", "b", "b"]);
    assert_eq!(column(&all, "id"), ["1", "twin", "twin", "2"]);
    assert_eq!(column(&all, "unique_idx"), [0, 1, 2, 3]);
    assert_eq!(
        all[0]["conversations"],
        project.table("a")[0]["conversations"]
    );
    let keys = column(&all, "key");
    assert_ne!(keys[1], keys[2], "equal records of two sources stay apart");
    assert!(all[0].get("system").is_none());
    assert_eq!(project.table("words").as_array().map(Vec::len), Some(4));
    assert!(project.ran(&[]).starts_with("nothing;"));
    // A name is part of what is given.
    project.file("p.yaml", PIPELINE.replace("[a, b]", "[b, a]"));
    project.passes(&[]);
    assert_eq!(
        column(&project.table("all"), "source"),
        ["b", "b", "a", "a"]
    );
}

#[test]
fn lists_that_only_differ_in_what_may_be_null_go_together() {
    let project = project();
    project.file("p.yaml", PIPELINE.replace("load.chat", "load.jsonl"));
    project.file(
        "p.yaml",
        project
            .read("p.yaml")
            .replace("measures: [words]", "measures: [chars]"),
    );
    let text = json!({ "text": "t", "raw": "{}" });
    let mut line = record("3", "q");
    line.as_object_mut()
        .expect("an object")
        .extend(text.as_object().expect("an object").clone());
    project.file("b.jsonl", line.to_string());
    project.passes(&["left out", "a.image"]);
    assert_eq!(column(&project.table("all"), "id"), ["1", "twin", "3"]);
}

#[test]
fn columns_of_other_types_are_named() {
    let project = project();
    project.file("p.yaml", PIPELINE.replace("load.chat", "load.jsonl"));
    project.file("b.jsonl", "{\"id\": 3}\n");
    project.fails(&["`id` holds Utf8 in `a` and Int64 in `b`"]);
    for (inputs, words) in [
        ("[a, a]", "`a` is named twice"),
        ("[]", "there is nothing to put together"),
        ("[a, b], column: key", "`key` cannot be the name"),
    ] {
        project.file("p.yaml", PIPELINE.replace("[a, b]", inputs));
        project.is_refused(&[words]);
    }
    let named = PIPELINE.replace("[a, b]", "[a, b], column: id");
    project.file("p.yaml", named);
    project.file("b.jsonl", record("2", "q").to_string());
    project.fails(&["have a column `id` already"]);
}

#[test]
fn tables_without_rows_are_fine() {
    let project = project();
    project.file("a.json", "[]").file("b.jsonl", "[]");
    project.passes(&[]);
    assert_eq!(project.table("all"), json!([]));
}
