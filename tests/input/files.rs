//! Places that cannot be read or written.

use std::fs;

use super::PLAIN;
use crate::support::{Project, Record, llava};

fn plain() -> Project {
    let project = Project::new();
    let record = |answer| Record {
        image: None,
        question: "q",
        answer,
    };
    llava(&project, &[record("a"), record("b"), record("c")]);
    project.file("images/.keep", "").file("p.yaml", PLAIN);
    project
}

#[test]
fn a_folder_for_the_annotations_is_refused() {
    let project = plain();
    fs::create_dir(project.path("folder.json")).expect("a folder");
    project.file("p.yaml", PLAIN.replace("data.json", "folder.json"));
    project.is_refused(&["annotations", "folder.json", "folder, not a file"]);
}

#[test]
fn an_annotation_file_that_is_not_there_is_refused() {
    let project = plain();
    project.file("p.yaml", PLAIN.replace("data.json", "none.json"));
    project.is_refused(&["annotations", "none.json"]);
}

#[test]
fn a_file_for_the_cache_folder_is_refused() {
    let project = plain();
    project.file("taken", "my file");
    let outcome = project
        .run(&["run", "p.yaml", "--cache", "taken"])
        .refused();
    assert!(
        outcome.stderr.contains("taken") && outcome.stderr.contains("--cache"),
        "{outcome}"
    );
    assert_eq!(project.read("taken"), "my file");
    // Below a file there can be no folder either; unlike missing rights this holds for root as well.
    let outcome = project
        .run(&["run", "p.yaml", "--cache", "taken/cache"])
        .refused();
    assert!(outcome.stderr.contains("taken/cache"), "{outcome}");
    project.nothing_written();
}

#[test]
fn a_cache_that_cannot_be_written_fails_the_nodes() {
    let project = plain();
    // Files where the cache wants folders, since root may write anywhere.
    for name in ["objects", "tables", "scratch"] {
        let cache = format!("cache-{name}");
        project.file(&format!("{cache}/{name}"), "in the way");
        let outcome = project.run(&["run", "p.yaml", "--cache", &cache]);
        assert_eq!(outcome.status, 1, "{outcome}");
        assert!(
            outcome.stderr.contains(&format!("{cache}/{name}")),
            "{outcome}"
        );
    }
    project.nothing_written();
}

#[test]
fn outputs_that_cannot_be_written_fail_and_the_nodes_are_kept() {
    let project = plain();
    fs::create_dir(project.path("folder")).expect("a folder");
    project.file("file", "a file");
    for (path, words) in [
        ("folder", "it is a folder"),
        ("file/out.json", "create the folder"),
    ] {
        project.file(
            "p.yaml",
            PLAIN.replace("path: out.json", &format!("path: {path}")),
        );
        let log = project.fails(&[path.split('/').next().unwrap_or(path), words]);
        assert!(log.line().contains("FAILED"), "{}", log.line());
    }
    project.file("p.yaml", PLAIN);
    assert_eq!(project.ran(&[]), "nothing; wrote out.json");
    assert_eq!(project.read("file"), "a file");
}

#[test]
fn a_folder_of_the_output_is_made() {
    let project = plain();
    project.file(
        "p.yaml",
        PLAIN.replace("path: out.json", "path: new/deep/out.json"),
    );
    project.passes(&[]);
    assert!(project.path("new/deep/out.json").is_file());
}
