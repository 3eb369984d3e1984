//! A folder of images with texts beside them.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Project, repository};

const PIPELINE: &str = "version: 1
nodes:
  rows: { kind: load.images, path: \"photos/**/*\", columns: [title], ignore: [md] }
  picture: { kind: score.image, input: rows, measures: [width] }
outputs:
  - { from: picture, path: out.json, format: jsonl }
  - { from: rows, path: rows.jsonl, format: jsonl }
";

fn project() -> Project {
    let image = fs::read(repository("tests/golden/data/images/exact.png")).expect("an image");
    let project = Project::new();
    project
        .file("p.yaml", PIPELINE)
        .file("photos/b.PNG", &image)
        .file("photos/b.txt", " Ein Haus\n")
        .file("photos/deep/a.png", &image)
        .file("photos/deep/a.json", "{\"title\": \"A\"}")
        .file("photos/deep/a.cls", "4")
        .file("photos/deep/v1.2.png", &image)
        .file("photos/deep/v1.2.caption", "two")
        .file("photos/README.md", "passed over")
        .file("photos/.hidden", "passed over");
    project
}

fn column(table: &Value, name: &str) -> Vec<Value> {
    let rows = table.as_array().expect("rows");
    rows.iter().map(|row| row[name].clone()).collect()
}

#[test]
fn images_are_rows_and_texts_their_columns() {
    let project = project();
    project.passes(&[]);
    let rows = project.table("rows");
    assert_eq!(column(&rows, "sample"), ["b", "deep/a", "deep/v1.2"]);
    assert_eq!(column(&rows, "image")[1], "[FOLDER]/photos/deep/a.png");
    assert_eq!(
        column(&rows, "text"),
        [json!(" Ein Haus\n"), Value::Null, json!("two")]
    );
    assert_eq!(
        column(&rows, "title"),
        [Value::Null, json!("A"), Value::Null]
    );
    assert_eq!(column(&rows, "cls"), [Value::Null, json!(4), Value::Null]);
    let widths = column(&project.table("picture"), "image_width");
    assert!(widths[0].is_number() && widths[0] == widths[2]);
    assert!(project.ran(&[]).starts_with("nothing;"));
    // Texts count by their content, wherever they stand.
    project.file("photos/deep/v1.2.caption", "three");
    project.passes(&[]);
    assert_eq!(column(&project.table("rows"), "text")[2], "three");
}

#[test]
fn what_does_not_belong_there_is_named() {
    for (file, content, words) in [
        (
            "photos/c.txt",
            "text",
            "photos/c.txt: there is no image of this name beside it",
        ),
        (
            "photos/c.pdf",
            "",
            "photos/c.pdf: it is neither an image nor a text",
        ),
        (
            "photos/c",
            "",
            "photos/c: it is neither an image nor a text",
        ),
        (
            "photos/b.json",
            "[1]",
            "photos/b.json: it is not a JSON object",
        ),
        ("photos/b.cls", "x", "photos/b.cls: it holds \"x\""),
        ("photos/b.caption", "x", "the sample has a second text"),
    ] {
        let project = project();
        project.file(file, content);
        project.fails(&[words]);
    }
    let project = project();
    project.file("photos/b.txt", [0xff]);
    project.fails(&["photos/b.txt: it is not UTF-8"]);
}
