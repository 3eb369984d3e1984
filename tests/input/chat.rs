//! Conversations in the forms of chat models.

use serde_json::{Value, json};

use crate::support::Project;

const PIPELINE: &str = "version: 1
nodes:
  rows: { kind: load.chat, path: \"data*.json*\", images: images, columns: [source] }
  words: { kind: score.text, input: rows, measures: [words] }
  some: { kind: select.random, input: rows, count: 2 }
outputs:
  - { from: some, path: out.json, format: llava }
  - { from: words, path: words.jsonl, format: jsonl }
";

fn project(node: &str) -> Project {
    let project = Project::new();
    project.file("images/a.png", "").file("images/b.png", "");
    project.file("p.yaml", PIPELINE.replace("columns: [source]", node));
    project
}

fn without(table: &Value, names: &[&str]) -> Value {
    let rows = table
        .as_array()
        .expect("rows")
        .iter()
        .cloned()
        .map(|mut row| {
            let row_of = row.as_object_mut().expect("a row");
            row_of.retain(|name, _| !names.contains(&name.as_str()));
            row
        });
    rows.collect()
}

#[test]
fn both_forms_give_the_rows_that_llava_gives() {
    let turns = json!([{ "from": "human", "value": "<image>\nWhat?" }, { "from": "gpt", "value": "A cat." }]);
    let record = json!({ "id": "1", "image": "a.png", "source": "s", "conversations": turns });
    let sharegpt = project("columns: [source]");
    sharegpt.file("data.json", json!([record]).to_string());
    sharegpt.passes(&[]);
    let shown = without(&sharegpt.table("rows"), &["key", "raw"]);
    let messages = project("columns: [source], format: messages");
    let parts = json!([{ "type": "image_url", "image_url": { "url": "a.png" } }, { "type": "text", "text": "What?" }]);
    let line = json!({ "id": 1, "source": "s", "messages": [
        { "role": "user", "content": parts }, { "role": "assistant", "content": "A cat." }] });
    messages.file(
        "data.jsonl",
        zstd::encode_all(line.to_string().as_bytes(), 1).expect("packed"),
    );
    messages.passes(&[]);
    assert_eq!(without(&messages.table("rows"), &["key", "raw"]), shown);
    assert_eq!(
        messages.table("words")[0]["text_words"],
        sharegpt.table("words")[0]["text_words"]
    );

    let llava = project("columns: [source]");
    llava.file("data.json", json!([record]).to_string());
    llava.file(
        "p.yaml",
        PIPELINE.replace(
            "load.chat, path: \"data*.json*\"",
            "load.llava, annotations: data.json",
        ),
    );
    llava.passes(&[]);
    assert_eq!(
        without(&llava.table("rows"), &[]),
        without(&sharegpt.table("rows"), &["system"])
    );
    assert_eq!(shown[0]["system"], Value::Null);
    assert_eq!(shown[0]["source"], "s");
}

fn messages(system: &str, images: &[&str]) -> Value {
    json!({ "images": images, "messages": [{ "role": "system", "content": system },
        { "role": "user", "content": "<image> q" }, { "role": "assistant", "content": "a" }] })
}

#[test]
fn many_files_are_numbered_through_and_system_is_a_column() {
    let project = project("columns: []");
    project
        .file(
            "data-0.jsonl",
            format!(
                "{}\n{}\n",
                messages("one", &["a.png"]),
                messages("two", &[])
            ),
        )
        .file(
            "data-1.json",
            json!([messages("three", &["b.png"])]).to_string(),
        );
    project.passes(&[]);
    let rows = project.table("rows");
    for (number, system) in ["one", "two", "three"].iter().enumerate() {
        assert_eq!(rows[number]["unique_idx"], number);
        assert_eq!(rows[number]["system"], *system);
    }
    assert_eq!(rows[2]["image"], "[FOLDER]/images/b.png");
}

#[test]
fn several_images_are_an_error_or_the_first_of_them() {
    let record = messages("s", &["b.png", "a.png"]);
    let strict = project("columns: []");
    strict.file("data.jsonl", record.to_string());
    strict.fails(&[
        "data.jsonl, record 0 (line 1): it has several images",
        "several_images: first",
    ]);
    let first = project("several_images: first");
    first.file("data.jsonl", record.to_string());
    first.passes(&["1 records have several images"]);
    assert_eq!(first.table("rows")[0]["image"], "[FOLDER]/images/b.png");
}

#[test]
fn broken_records_name_file_record_and_line() {
    let good = messages("s", &[]).to_string();
    let cases: [(String, &[&str]); 7] = [
        (String::new(), &["data.json is empty"]),
        ("x".to_owned(), &["data.json begins with 'x'"]),
        (
            format!("{good}\n\n{{\"messages\": []}}"),
            &["data.json, record 1 (line 3): `messages` has no turn"],
        ),
        (
            format!("{good}\n{{\"a\": 1}}"),
            &["record 1 (line 2): it has no `messages`"],
        ),
        (
            format!("[{good},\n{good}"),
            &["record", "line 2", "cut off"],
        ),
        (
            format!("{good}\n{{\"messages\": [}}\n"),
            &["record 1 (line 2): it is not JSON"],
        ),
        (
            format!("{good}\n{}", good.replace("[]", "[\"c.png\"]")),
            &["1 images are not there", "c.png"],
        ),
    ];
    for (text, words) in cases {
        let project = project("columns: []");
        project.file("data.json", text);
        project.fails(words);
    }
    let project = project("columns: [system]");
    project.file("data.json", good);
    project.is_refused(&["`system` is a column already"]);
}
