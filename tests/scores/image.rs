//! score.image in a pipeline.

use std::fs;

use serde_json::{Value, json};

use super::project;

fn measured(more: &str) -> String {
    format!(
        "  m: {{ kind: score.image, input: rows, measures: [width, format, brightness, phash]{more} }}\n"
    )
}

#[test]
fn columns_come_out_and_a_shared_picture_is_read_once() {
    let project = project(&measured(""));
    // Two rows show the same content, one shows nothing: two kinds of rows.
    assert_eq!(project.ran(&["--to", "m"]), "rows, m 2/3");
    assert_eq!(
        project.column("m", "image_width"),
        [json!(1), json!(1), Value::Null]
    );
    assert_eq!(
        project.column("m", "image_format"),
        [json!("PNG"), json!("PNG"), Value::Null]
    );
    assert_eq!(project.column("m", "image_brightness")[2], Value::Null);
}

#[test]
fn another_text_reads_no_picture_and_another_picture_only_itself() {
    let project = project(&measured(""));
    project.ran(&["--to", "m"]);
    project.answer(0, "A dog.");
    assert_eq!(project.ran(&["--to", "m"]), "rows");
    let mut broken = fs::read(project.path("images/a.png")).expect("the picture");
    broken.truncate(40);
    project.file("images/b.png", broken);
    let log = project.log(&["--to", "m"]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    let said = log.said();
    assert!(
        said.contains("unique_idx 1") && said.contains("images/b.png: the Png file is cut off"),
        "{said}"
    );
}

#[test]
fn a_broken_picture_is_set_aside_and_tried_again() {
    let project = project(&measured(", on_error: quarantine"));
    let whole = fs::read(project.path("images/b.png")).expect("the picture");
    project.file("images/b.png", "no picture");
    assert_eq!(project.ran(&["--to", "m"]), "rows, m 3/3");
    assert_eq!(
        project.column("m", "image_width"),
        [json!(1), Value::Null, Value::Null]
    );
    let errors = project.table("m.errors");
    assert_eq!(errors[0]["unique_idx"], 1);
    let reason = errors[0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("images/b.png: not an image"), "{reason}");
    project.file("images/b.png", whole);
    project.ran(&["--to", "m"]);
    assert_eq!(project.column("m", "image_width")[1], 1);
}
