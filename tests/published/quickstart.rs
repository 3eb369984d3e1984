//! The project that `init` writes: what it picks, that nothing runs twice, and that two runs give the same bytes.

use serde_json::Value;

use super::worker;
use crate::support::{Outcome, Project};

const SCORES: &str = "features=[clip_score.clip_score, reward.image_reward, judge.judge]";

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

    let ran = |outcome: &Outcome| count(outcome, "done ");
    let outcome = run(&first, "one", "clip", &[]);
    assert_eq!(ran(&outcome), 5, "{outcome}");
    let by_kind = kinds(&first.read("one/clip/selected.json"));
    // 15.8 % at random would be 18 trivial and 14 hard ones.
    assert_eq!(by_kind("text_only"), 0);
    assert!(by_kind("trivial") <= 3, "{} trivial", by_kind("trivial"));
    assert!(by_kind("hard") >= 28, "{} hard", by_kind("hard"));

    // The other setting needs what no node gave yet, and nothing again that one did.
    let outcome = run(&first, "one", "scores", &["--set", SCORES]);
    assert_eq!(ran(&outcome), 6, "{outcome}");
    assert_eq!(count(&outcome, "cached "), 2, "{outcome}");
    let by_kind = kinds(&first.read("one/scores/selected.json"));
    assert!(by_kind("trivial") <= 5, "{} trivial", by_kind("trivial"));
    assert!(by_kind("hard") >= 26, "{} hard", by_kind("hard"));

    for (setting, more) in [("clip", [].as_slice()), ("scores", &["--set", SCORES])] {
        let before = first.read(&format!("one/{setting}/selected.json"));
        let outcome = run(&first, "one", setting, more);
        assert_eq!(ran(&outcome), 0, "{outcome}");
        assert!(outcome.stderr.contains("nothing to run"), "{outcome}");
        assert_eq!(before, first.read(&format!("one/{setting}/selected.json")));
    }

    // Another folder, another cache: the same bytes, also of the lock, which so holds no place and no time.
    let outcome = run(&second, "the/other", "clip", &[]);
    assert_eq!(ran(&outcome), 5, "{outcome}");
    for file in ["selected.json", "selected.json.lock.json"] {
        assert!(
            first.read(&format!("one/clip/{file}"))
                == second.read(&format!("the/other/clip/{file}")),
            "{file} differs between two runs"
        );
    }
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
