//! Annotation files that are broken, and records that are strange.

use serde_json::{Value, json};

use super::PLAIN;
use crate::support::golden::set_records;
use crate::support::{Project, Record, llava};

fn project_with(data: impl AsRef<[u8]>) -> Project {
    let project = Project::new();
    project
        .file("p.yaml", PLAIN)
        .file("images/.keep", "")
        .file("data.json", data);
    project
}

fn turns(turns: &[(&str, &str)]) -> Value {
    turns
        .iter()
        .map(|(from, value)| json!({ "from": from, "value": value }))
        .collect()
}

fn good(id: usize) -> Value {
    json!({ "id": id, "conversations": turns(&[("human", "q"), ("gpt", "a")]) })
}

#[test]
fn files_that_are_no_records_fail_and_say_why() {
    let broken_line = format!(
        "{}\n{{\"id\": 1, \"conversations\": [}}\n{}\n",
        good(0),
        good(2)
    );
    let cut = json!([good(0), good(1)]).to_string();
    let cases: [(&[u8], &[&str]); 8] = [
        (b"", &["data.json is empty"]),
        (b"  \n ", &["data.json is empty"]),
        (
            b"\"text\"",
            &["data.json begins with", "expected a JSON array of records"],
        ),
        (
            b"[1, 2]",
            &["data.json", "record 0", "it is a number, not an object"],
        ),
        (
            &cut.as_bytes()[..cut.len() - 20],
            &["data.json", "record 1"],
        ),
        (
            broken_line.as_bytes(),
            &["data.json", "record 1 (line 2)", "not JSON"],
        ),
        (
            b"[{\"conversations\": [{\"from\": \"human\", \"value\": \"\xff\xfe\"}]}]",
            &["record 0", "not UTF-8"],
        ),
        (b"[]x", &["data.json"]),
    ];
    for (data, words) in cases {
        project_with(data).fails(words);
    }
}

#[test]
fn records_that_cannot_be_used_are_named() {
    let cases: [(Value, &str); 7] = [
        (
            json!({ "id": 1, "conversations": [] }),
            "`conversations` is empty",
        ),
        (json!({ "id": 1 }), "missing field `conversations`"),
        (
            json!({ "id": 1, "conversations": "q" }),
            "`conversations` is a string, not a list of turns",
        ),
        (
            json!({ "id": 1, "conversations": turns(&[("gpt", "a"), ("human", "q")]) }),
            "turn 1 is from \"gpt\"",
        ),
        (
            json!({ "id": 1, "conversations": turns(&[("human", "q"), ("human", "q")]) }),
            "turn 2 is from \"human\"",
        ),
        (
            json!({ "id": [1], "conversations": turns(&[("human", "q")]) }),
            "`id` is a list",
        ),
        (
            json!({ "id": 1, "image": "", "conversations": turns(&[("human", "q")]) }),
            "`image` is empty",
        ),
    ];
    for (record, words) in cases {
        let project = project_with("");
        set_records(&project, &[good(0), record, good(2)]);
        project.fails(&[
            "data.json has records that cannot be used",
            "record 1 (line",
            words,
        ]);
    }
}

#[test]
fn a_question_without_an_answer_and_equal_ids_are_fine() {
    let project = project_with("");
    let one_sided = json!({ "id": "x", "conversations": turns(&[("human", "Only a question?")]) });
    let twin = json!({ "id": "x", "conversations": turns(&[("human", "q"), ("gpt", "a")]) });
    // The last two are equal to the byte.
    set_records(&project, &[one_sided, twin.clone(), twin.clone()]);
    project.passes(&[]);
    let rows = project.table("rows");
    assert_eq!(rows[0]["text"], "USER: Only a question?");
    let keys: std::collections::HashSet<String> =
        (0..3).map(|row| rows[row]["key"].to_string()).collect();
    assert_eq!(keys.len(), 3, "{rows}");
}

#[test]
fn a_file_of_lines_is_as_good_as_an_array() {
    let lines: Vec<String> = (0..3).map(|id| good(id).to_string()).collect();
    let project = project_with(lines.join("\n") + "\n\n");
    project.passes(&[]);
    assert_eq!(project.table("rows").as_array().map(Vec::len), Some(3));
}

#[test]
fn an_empty_list_gives_an_empty_selection() {
    let project = project_with("[]");
    project.passes(&["only 0 rows can be picked"]);
    assert_eq!(
        serde_json::from_str::<Value>(&project.read("out.json")).expect("JSON"),
        json!([])
    );
}

#[test]
fn images_that_are_not_there() {
    let project = Project::new();
    let record = |image| Record {
        image: Some(image),
        question: "q",
        answer: "a",
    };
    llava(
        &project,
        &[record("a.png"), record("b.png"), record("c.png")],
    );
    std::fs::remove_file(project.path("images/b.png")).expect("removed");
    project.file("p.yaml", PLAIN);
    project.fails(&[
        "1 images are not there",
        "unique_idx 1",
        "b.png",
        "on_missing_image",
    ]);

    let with = |choice: &str| {
        let text = PLAIN.replace(
            "images: images",
            &format!("images: images, on_missing_image: {choice}"),
        );
        project.file("p.yaml", text);
    };
    with("drop");
    project.passes(&["1 records were left out", "unique_idx 1"]);
    let numbers: Vec<Value> = rows(&project, "unique_idx");
    assert_eq!(numbers, [json!(0), json!(2)]);

    with("keep");
    project.passes(&["1 records lost their image", "b.png"]);
    assert_eq!(rows(&project, "unique_idx").len(), 3);
    assert_eq!(rows(&project, "image")[1], Value::Null);

    // A file that comes back counts, though no content that was read has changed.
    std::fs::copy(project.path("images/a.png"), project.path("images/b.png")).expect("copied");
    project.passes(&[]);
    assert_ne!(rows(&project, "image")[1], Value::Null);
}

fn rows(project: &Project, column: &str) -> Vec<Value> {
    let rows = project.table("rows");
    rows.as_array()
        .expect("a list")
        .iter()
        .map(|row| row[column].clone())
        .collect()
}
