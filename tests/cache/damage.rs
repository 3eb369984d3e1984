//! A cache that lost a part is a cache that holds less: the work is done again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::golden::golden;

/// All files below a folder of the cache.
pub(super) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn a_lost_object_is_computed_again() {
    let project = golden();
    project.ran(&[]);
    let output = project.read("out.json");
    let objects = files_below(&project.path(".trommel/objects"));
    assert!(objects.len() >= 5, "{objects:?}");
    let mut lines = Vec::new();
    for object in objects {
        fs::remove_file(&object).expect("removed");
        fs::remove_file(project.path("out.json")).expect("removed");
        let line = project.ran(&[]);
        assert_eq!(project.read("out.json"), output);
        if object.exists() {
            lines.push(line);
        } else {
            // A training log says how long each step took, so it never comes again.
            assert!(
                line.starts_with("stage1;") || line.starts_with("nothing;"),
                "{line}"
            );
        }
    }
    lines.sort();
    let once = ["clip 21/21", "difficulty", "rows", "selected", "stage1"];
    let expected: Vec<String> = once
        .iter()
        .map(|node| format!("{node}; wrote out.json"))
        .collect();
    assert_eq!(lines, expected);
}

#[test]
fn an_object_that_is_cut_is_computed_again() {
    let project = golden();
    project.ran(&[]);
    let output = project.read("out.json");
    for (place, object) in files_below(&project.path(".trommel/objects"))
        .into_iter()
        .enumerate()
    {
        let content = fs::read(&object).expect("an object");
        let left = if place % 2 == 0 { content.len() / 2 } else { 0 };
        fs::write(&object, &content[..left]).expect("cut");
        fs::remove_file(project.path("out.json")).expect("removed");
        project.ran(&[]);
        assert_eq!(project.read("out.json"), output);
    }
}

#[test]
fn an_entry_that_is_cut_is_made_again() {
    let project = golden();
    project.ran(&[]);
    let output = project.read("out.json");
    let mut cut = 0;
    for group in ["tables", "chunks", "rows", "last", "outputs", "files"] {
        let place = project.path(".trommel").join(group);
        let files = if place.is_dir() {
            files_below(&place)
        } else {
            vec![place]
        };
        for file in files {
            let content = fs::read(&file).expect("an entry");
            fs::write(&file, &content[..content.len() / 2]).expect("cut");
            let line = project.ran(&[]);
            let silent = line.starts_with("nothing");
            assert_eq!(!silent, group == "tables", "{}: {line}", file.display());
            assert_eq!(project.read("out.json"), output);
            cut += 1;
        }
    }
    assert!(cut >= 14, "{cut}");
}

#[test]
fn a_lost_cache_is_made_again() {
    let project = golden();
    let line = project.ran(&[]);
    let output = project.read("out.json");
    fs::remove_dir_all(project.path(".trommel")).expect("removed");
    assert_eq!(project.ran(&[]), line);
    assert_eq!(project.read("out.json"), output);
}
