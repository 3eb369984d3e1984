//! `images: copy|link|embed`: the images of the rows written, no others, whole or not at all.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use super::{files, image, pipeline, project, records};
use crate::support::Project;

/// The images of the four records, each once, under the names that their records have.
fn both(project: &Project) -> Vec<(String, Vec<u8>)> {
    vec![image(project, "a/one.png"), image(project, "two.png")]
}

fn file_number(project: &Project, name: &str) -> u64 {
    fs::metadata(project.path(name)).expect("a file").ino()
}

#[test]
fn only_the_images_of_the_rows_are_copied() {
    let project = project(
        "path: out/llava.json, format: llava, images: copy\npath: out/share.v2.json, format: sharegpt, images: copy",
    );
    assert_eq!(
        project.ran(&[]),
        "rows; wrote llava.json; wrote share.v2.json"
    );
    assert_eq!(files(&project, "out/llava_images"), both(&project));
    assert_eq!(files(&project, "out/share.v2_images"), both(&project));
    // LLaVA's records are as they were; the others say where the image is from where they are.
    let images = |file: &str| -> Vec<_> {
        records(&project, file)
            .iter()
            .map(|r| r["image"].clone())
            .collect()
    };
    assert_eq!(images("out/llava.json"), images("data.json"));
    assert_eq!(
        images("out/share.v2.json"),
        [
            "\"share.v2_images/a/one.png\"",
            "null",
            "\"share.v2_images/two.png\"",
            "\"share.v2_images/a/one.png\""
        ]
        .map(|text| serde_json::from_str::<serde_json::Value>(text).expect("JSON"))
    );
    assert_ne!(
        file_number(&project, "out/llava_images/two.png"),
        file_number(&project, "images/two.png")
    );
}

#[test]
fn links_are_the_same_files() {
    let project = project("path: out.jsonl, format: jsonl, images: link");
    project.ran(&[]);
    assert_eq!(files(&project, "out_images"), both(&project));
    assert_eq!(
        file_number(&project, "out_images/a/one.png"),
        file_number(&project, "images/a/one.png")
    );
    assert_eq!(project.ran(&[]), "nothing; kept out.jsonl");
    // The other way is another output, though the bytes are the same.
    project.file(
        "p.yaml",
        pipeline("path: out.jsonl, format: jsonl, images: copy"),
    );
    assert_eq!(project.ran(&[]), "nothing; wrote out.jsonl");
    assert_ne!(
        file_number(&project, "out_images/a/one.png"),
        file_number(&project, "images/a/one.png")
    );
}

#[test]
fn what_changed_is_written_again() {
    let project = project("path: out.json, format: llava, images: copy");
    project.ran(&[]);
    assert_eq!(project.ran(&[]), "nothing; kept out.json");
    let there = project.path("out_images/two.png");
    fs::write(&there, "edited").expect("written");
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
    assert_eq!(files(&project, "out_images"), both(&project));
    fs::remove_file(&there).expect("removed");
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
    assert_eq!(files(&project, "out_images"), both(&project));
    // An image of another content, the same records.
    project.file("images/two.png", "another image");
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
    assert_eq!(files(&project, "out_images"), both(&project));
    // Fewer rows: the folder holds fewer images.
    let data = records(&project, "data.json");
    project.file("data.json", serde_json::to_vec(&data[..2]).expect("JSON"));
    assert_eq!(project.ran(&[]), "rows; wrote out.json");
    assert_eq!(
        files(&project, "out_images"),
        [image(&project, "a/one.png")]
    );
}

#[test]
fn files_of_others_are_not_replaced() {
    let project = project("path: out.json, format: llava, images: copy");
    project.file("out_images/mine.txt", "mine");
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    log.says(&[
        "out_images",
        "mine.txt",
        "was not written by a run",
        "move the folder away",
    ]);
    assert_eq!(
        files(&project, "out_images"),
        [("mine.txt".to_owned(), b"mine".to_vec())]
    );
    assert!(!project.path("out.json").exists());
    assert_eq!(
        fs::read_dir(project.path("."))
            .expect("it")
            .filter(|e| {
                let name = e.as_ref().expect("an entry").file_name();
                name.to_string_lossy().starts_with(".trommel-")
            })
            .count(),
        0
    );
}

#[test]
fn rows_that_cannot_be_written_leave_all_as_it_was() {
    let project = project("path: out.json, format: messages, images: copy");
    let text = project.read("p.yaml").replace(
        "kind: load.llava, annotations: data.json, images: images",
        "kind: load.jsonl, path: data.jsonl",
    );
    let line = |image: &str, from: &str| {
        let turns = json!([{ "from": from, "value": "q" }]);
        json!({ "image": image, "conversations": turns }).to_string()
    };
    project
        .file("p.yaml", text)
        .file("data.jsonl", line("images/two.png", "human"));
    project.ran(&[]);
    let (rows, images) = (project.read("out.json"), files(&project, "out_images"));
    assert_eq!(images.len(), 1);
    project.file("data.jsonl", line("images/a/one.png", "tool"));
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    log.says(&["row 0", "a turn is from \"tool\""]);
    assert_eq!(project.read("out.json"), rows);
    assert_eq!(files(&project, "out_images"), images);
}

#[test]
fn an_image_that_is_gone_is_named() {
    let project = project("path: out.json, format: llava, images: copy");
    project.file(
        "p.yaml",
        project
            .read("p.yaml")
            .replace("images: copy", "images: none"),
    );
    project.ran(&[]);
    let before = project.read("out.json");
    project.file(
        "p.yaml",
        pipeline("path: out.json, format: llava, images: copy")
            .replace("images: images", "images: images, on_missing_image: keep"),
    );
    fs::remove_file(project.path("images/two.png")).expect("removed");
    // The record loses its image: it is kept without it, and so is not asked for.
    project.ran(&[]);
    assert_eq!(project.read("out.json"), before);
    assert_eq!(
        files(&project, "out_images"),
        [image(&project, "a/one.png")]
    );
}

#[test]
fn images_of_one_name_in_two_folders_are_kept_apart() {
    // The records' own names leave the folder, so that their places name the images.
    let project = project("path: out.jsonl, format: sharegpt, images: copy");
    let data = project.read("data.json");
    project.file("other/a/one.png", "another one");
    project.file(
        "data.json",
        data.replace("\"two.png\"", "\"../other/a/one.png\""),
    );
    project.ran(&[]);
    let names: Vec<String> = files(&project, "out_images")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["images/a/one.png", "other/a/one.png"]);
    let image = &records(&project, "out.jsonl")[2]["image"];
    assert_eq!(image, "out_images/other/a/one.png");
    // LLaVA's records cannot say so.
    project.file(
        "p.yaml",
        pipeline("path: out.json, format: llava, images: copy"),
    );
    let log = project.log(&[]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    log.says(&["row 2", "other/a/one.png", "sharegpt"]);
    assert!(!project.path("out.json").exists());
}

#[test]
fn images_stand_inside_of_parquet() {
    let project = project("path: out.parquet, format: parquet, images: embed");
    assert_eq!(project.ran(&[]), "rows; wrote out.parquet");
    assert_eq!(project.ran(&[]), "nothing; kept out.parquet");
    let before = fs::read(project.path("out.parquet")).expect("a file");
    project.file("images/two.png", "another image");
    assert_eq!(project.ran(&[]), "nothing; wrote out.parquet");
    assert_ne!(
        fs::read(project.path("out.parquet")).expect("a file"),
        before
    );
    assert!(!project.path("out_images").exists());
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (output, words) in [
        (
            "path: o, format: webdataset, images: copy",
            [
                "`webdataset` does not take `images: copy`",
                "it takes embed",
            ],
        ),
        (
            "path: o.json, format: llava, images: embed",
            ["`llava` does not take `images: embed`", "none, copy, link"],
        ),
        (
            "path: o.json, format: llava, images: cpy",
            ["`images` cannot be `cpy`", "did you mean `copy`?"],
        ),
        (
            "path: o.json, format: llava, images: true",
            ["`images` must be text", "here"],
        ),
        (
            "path: o.json, format: llava, card: yes please",
            ["`card` must be true or false", "here"],
        ),
    ] {
        let project = project(output);
        let outcome = project.run(&["check", "p.yaml"]).refused();
        for word in words {
            assert!(
                outcome.stderr.contains(word),
                "{word:?} is not in {outcome}"
            );
        }
    }
    let project = project(
        "path: o.json, format: llava, images: copy\npath: o.jsonl, format: jsonl, images: copy",
    );
    let outcome = project.run(&["check", "p.yaml"]).refused();
    assert!(outcome.stderr.contains("two outputs go to"), "{outcome}");
    assert!(outcome.stderr.contains("o_images"), "{outcome}");
}
