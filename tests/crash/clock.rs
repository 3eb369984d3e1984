//! A clock that was set back: files seem to come from the future, and what is new seems old.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use super::families::Families;
use crate::support::Project;
use crate::support::golden::golden;

const DECADE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

fn set_time(path: &Path, time: SystemTime) {
    File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(time))
        .expect("the time is set");
}

fn each_file(folder: &Path, to_do: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            each_file(&path, to_do);
        } else {
            to_do(&path);
        }
    }
}

#[test]
fn files_from_the_future_are_as_good() {
    let families = Families::new();
    let later = SystemTime::now() + DECADE;
    each_file(&families.project.path("."), &mut |path| {
        set_time(path, later);
    });
    families.finishes("undisturbed", "all files are of the next decade");
    families.forget_outputs();
    families.finishes("new", "from nothing");
}

/// As long as before, with the time that it had: only the change time and the content differ.
fn edit_in_place(project: &Project, before: &str, after: &str) {
    assert_eq!(before.len(), after.len());
    let path = project.path("data.json");
    let time = fs::metadata(&path).and_then(|m| m.modified());
    let text = project.read("data.json").replacen(before, after, 1);
    fs::write(&path, text).expect("written");
    set_time(&path, time.expect("a time"));
}

#[test]
fn an_edit_that_keeps_size_and_time_is_seen() {
    let project = golden();
    project.ran(&[]);
    let first = project.table("rows")[0]["text"].clone();
    let word = first.as_str().and_then(|t| t.split_whitespace().last());
    let word = word.expect("a word");
    edit_in_place(&project, word, &"x".repeat(word.len()));
    let line = project.ran(&[]);
    assert!(line.starts_with("rows, "), "{line}");
    assert_ne!(project.table("rows")[0]["text"], first);
}

/// `faketime` sets the clock of one program; where it is not installed there is nothing to test with.
#[test]
fn runs_under_a_clock_of_the_last_decade_end_in_the_same_bytes() {
    let there = Command::new("faketime")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if there.is_err() {
        return;
    }
    let families = Families::new();
    let past = |cache: &str| {
        families.project.script(&format!(
            r#"NO_FAKE_STAT=1 exec faketime -f -3650d "$PROGRAM" run p.yaml --cache {cache}"#
        ))
    };
    // A full cache, an empty one, and one whose run was killed in the present.
    families.forget_outputs();
    let outcome = past("undisturbed").succeeded();
    assert!(outcome.stderr.contains("nothing to run"), "{outcome}");
    families.wrote_the_same("a full cache");
    families.forget_outputs();
    past("new").succeeded();
    families.wrote_the_same("an empty cache");
    families.finishes("new", "back in the present");
    let mut run = families.start("killed", &["--cache", "killed"]);
    std::thread::sleep(families.whole / 2);
    super::process::kill(&[run.child.id()]);
    run.status(&families);
    families.forget_outputs();
    past("killed").succeeded();
    families.wrote_the_same("a killed run's cache");
}
