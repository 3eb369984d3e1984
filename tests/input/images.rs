//! Images that cannot be read, images that are not RGB, and records without one.

use std::fs;

use serde_json::{Value, json};

use crate::support::golden::{PIPELINE, edit_records, golden, pipeline};

const QUARANTINE: &str = "embed.clip, input: rows, on_error: quarantine,";

fn nulls(table: &Value, column: &str) -> Vec<u64> {
    let rows = table.as_array().expect("a list");
    rows.iter()
        .filter(|r| r[column].is_null())
        .map(|r| r["unique_idx"].as_u64().expect("a number"))
        .collect()
}

#[test]
fn records_without_an_image_have_no_features_and_are_left_out_in_words() {
    let project = golden();
    project.passes(&[
        "4 of 21 records are not trained on: a feature of theirs is null (unique_idx 2, 8, 15, 17)",
        "4 of 21 rows lack features and get no difficulty",
        "4 of 21 rows have no score and are not picked from",
    ]);
    assert_eq!(nulls(&project.table("clip"), "clip"), [2, 8, 15, 17]);
    assert_eq!(
        nulls(&project.table("difficulty"), "difficulty"),
        [2, 8, 15, 17]
    );
}

#[test]
fn ranking_rows_without_features_fails_unless_told_to_drop_them() {
    let project = golden();
    project.file("p.yaml", pipeline(&PIPELINE.replace(", on_null: drop", "")));
    project.fails(&[
        "4 rows lack features: unique_idx 2, 8, 15, 17",
        "on_null: drop",
    ]);
}

#[test]
fn images_that_are_not_rgb_pass() {
    let project = golden();
    project.ran(&["--to", "clip"]);
    let (rows, clip) = (project.table("rows"), project.table("clip"));
    let mut seen = 0;
    for (row, embedded) in rows
        .as_array()
        .expect("a list")
        .iter()
        .zip(clip.as_array().expect("a list"))
    {
        let image = row["image"].as_str().unwrap_or_default();
        let odd = [
            "gray",
            "cmyk",
            "palette",
            "rgba",
            "la.",
            "onebit",
            "exif6",
            "progressive",
        ];
        if odd.iter().any(|name| {
            image
                .rsplit('/')
                .next()
                .is_some_and(|file| file.starts_with(name))
        }) {
            let numbers: Vec<f64> =
                serde_json::from_value(embedded["clip"].clone()).expect("numbers");
            let length: f64 = numbers[..12].iter().map(|n| n * n).sum();
            assert!((length - 1.0).abs() < 1e-5, "{image}: {length}");
            seen += 1;
        }
    }
    assert_eq!(seen, 11);
}

#[test]
fn an_unreadable_image_fails_and_names_row_and_file() {
    let truncated = fs::read(golden().path("images/photo_444.jpg")).expect("an image");
    let truncated_png = fs::read(golden().path("images/plain.png")).expect("an image");
    let cases: [(&[u8], &str, &str); 4] = [
        (b"", "photo_444.jpg", "unique_idx 1"),
        (
            &truncated[..truncated.len() / 2],
            "photo_444.jpg",
            "unique_idx 1",
        ),
        (
            b"This is a letter, not a picture.",
            "photo_444.jpg",
            "unique_idx 1",
        ),
        (
            &truncated_png[..truncated_png.len() / 2],
            "plain.png",
            "unique_idx 20",
        ),
    ];
    for (content, image, row) in cases {
        let project = golden();
        project.file(&format!("images/{image}"), content);
        project.fails(&["1 of 21 rows failed", row, image, "on_error: quarantine"]);
        // The other rows are kept.
        fs::copy(
            project.path("images/tall.jpg"),
            project.path(&format!("images/{image}")),
        )
        .expect("copied");
        assert_eq!(project.ran(&["--to", "clip"]), "clip 1/21");
    }
}

#[test]
fn quarantined_rows_are_null_listed_and_tried_again() {
    let project = golden();
    project.file(
        "p.yaml",
        pipeline(&PIPELINE.replacen("embed.clip, input: rows,", QUARANTINE, 1)),
    );
    project.file("images/photo_444.jpg", "not a picture");
    project.file("images/plain.png", "");
    assert_eq!(project.ran(&["--to", "clip"]), "rows, clip 21/21");
    assert_eq!(nulls(&project.table("clip"), "clip"), [1, 2, 8, 15, 17, 20]);
    let errors = project.table("clip.errors");
    assert_eq!(errors[0]["unique_idx"], json!(1));
    assert_eq!(errors[1]["unique_idx"], json!(20));
    assert!(
        errors[0]["reason"]
            .as_str()
            .is_some_and(|r| r.contains("photo_444.jpg")),
        "{errors}"
    );
    assert_eq!(errors.as_array().map(Vec::len), Some(2));

    // Only these two are tried again, and one of them is mended now.
    fs::copy(
        project.path("images/tall.jpg"),
        project.path("images/plain.png"),
    )
    .expect("copied");
    assert_eq!(project.ran(&["--to", "clip"]), "clip 2/21");
    assert_eq!(nulls(&project.table("clip"), "clip"), [1, 2, 8, 15, 17]);
    assert_eq!(
        project.table("clip.errors").as_array().map(Vec::len),
        Some(1)
    );
    fs::copy(
        project.path("images/tall.jpg"),
        project.path("images/photo_444.jpg"),
    )
    .expect("copied");
    assert_eq!(project.ran(&["--to", "clip"]), "clip 1/21");
    assert_eq!(project.table("clip.errors"), json!([]));
    assert_eq!(project.ran(&["--to", "clip"]), "nothing");
}

#[test]
fn an_image_that_only_training_cannot_read_is_named_too() {
    let project = golden();
    let scores = PIPELINE.replace("features: [clip.clip]", "features: [judge.judge]");
    project.file("p.yaml", pipeline(&scores));
    project.file("images/photo_444.jpg", "not a picture");
    let log = project.log(&["--to", "difficulty"]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    log.says(&["photo_444.jpg"]);
}

#[test]
fn a_folder_for_an_image_is_not_an_image() {
    let project = golden();
    fs::create_dir(project.path("images/folder.png")).expect("a folder");
    edit_records(&project, |records| {
        records[0]["image"] = json!("folder.png");
    });
    project.fails(&["1 images are not there", "unique_idx 0", "folder.png"]);
}
