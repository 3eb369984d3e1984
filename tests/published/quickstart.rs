//! The project that `init` writes: what it picks, that nothing runs twice, and that two runs give the same bytes.

use serde_json::Value;

use super::worker;
use crate::support::{Outcome, Project};

/// The CLIP setting as it stands, and the scores setting, shortened because it runs in two projects.
const CLIP: &[&str] = &[];
const SCORES: &[&str] = &[
    "--set",
    "features=[clip_score.clip_score, reward.image_reward, judge.judge]",
    "--set",
    "epochs=1",
];

/// One test for all of it, since each training takes seconds.
#[test]
fn quickstart_picks_hard_samples_and_the_same_ones_each_time() {
    if !worker() {
        return;
    }
    let (first, second) = (Project::new(), Project::new());
    for (project, folder) in [(&first, "one"), (&second, "the/other")] {
        project.run(&["init", folder]).succeeded();
    }

    let outcome = run(&first, "one", "clip", CLIP);
    assert_eq!(count(&outcome, "done "), 5, "{outcome}");
    let picked = kinds(&first.read("one/clip/selected.json"));
    // At random it would be 18 trivial and 14 hard ones.
    assert_eq!(picked("text_only"), 0);
    assert!(picked("trivial") <= 3, "{} trivial", picked("trivial"));
    assert!(picked("hard") >= 28, "{} hard", picked("hard"));

    // The other setting runs what no run needed yet, and nothing again that one did.
    let outcome = run(&first, "one", "scores", SCORES);
    assert_eq!(count(&outcome, "done "), 6, "{outcome}");
    assert_eq!(count(&outcome, "cached "), 2, "{outcome}");
    let picked = kinds(&first.read("one/scores/selected.json"));
    assert_eq!(picked("text_only"), 0);
    assert!(picked("trivial") <= 12, "{} trivial", picked("trivial"));
    assert!(picked("hard") >= 22, "{} hard", picked("hard"));

    for (setting, arguments) in [("clip", CLIP), ("scores", SCORES)] {
        let before = files(&first, "one", setting);
        let outcome = run(&first, "one", setting, arguments);
        assert_eq!(count(&outcome, "done "), 0, "{outcome}");
        assert!(outcome.stderr.contains("nothing to run"), "{outcome}");
        assert!(before == files(&first, "one", setting), "{setting}");
    }

    // Another folder, another cache: the same bytes, also of the lock, which so holds no place and no time.
    let outcome = run(&second, "the/other", "scores", SCORES);
    assert_eq!(count(&outcome, "done "), 8, "{outcome}");
    let (ours, theirs) = (
        files(&first, "one", "scores"),
        files(&second, "the/other", "scores"),
    );
    assert!(ours[0] == theirs[0], "the picks differ between two runs");
    assert!(ours[1] == theirs[1], "the locks differ between two runs");
}

/// The output and its lock.
fn files(project: &Project, folder: &str, setting: &str) -> [String; 2] {
    ["selected.json", "selected.json.lock.json"]
        .map(|name| project.read(&format!("{folder}/{setting}/{name}")))
}

/// Runs the quickstart in `folder`, writing to `folder/setting`, from above it.
fn run(project: &Project, folder: &str, setting: &str, more: &[&str]) -> Outcome {
    let file = format!("{folder}/quickstart.yaml");
    let out = format!("out={setting}");
    let mut arguments = vec!["run", &file, "--device", "cpu", "--set", &out];
    arguments.extend(more);
    project.run(&arguments).succeeded()
}

/// Lines of the log that start so.
fn count(outcome: &Outcome, start: &str) -> usize {
    let lines = outcome.stderr.lines();
    lines.filter(|line| line.starts_with(start)).count()
}

/// How many of the 57 picked records are of a kind.
fn kinds(text: &str) -> impl Fn(&str) -> usize + use<> {
    let records: Vec<Value> = serde_json::from_str(text).expect("JSON");
    assert_eq!(records.len(), 57);
    move |kind| records.iter().filter(|r| r["kind"] == kind).count()
}
