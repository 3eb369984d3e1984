//! Runs and selections side by side.

use std::fs;

use serde_json::json;

use super::{json, masked, project};
use crate::support::Project;

/// Two runs that differ in `keep`.
fn two_runs() -> Project {
    let project = project();
    project.run(&["run", "p.yaml"]).succeeded();
    fs::copy(
        project.path("best.jsonl.lock.json"),
        project.path("old.lock.json"),
    )
    .expect("copied");
    project
        .run(&["run", "p.yaml", "--set", "keep=6"])
        .succeeded();
    project
}

#[test]
fn runs_are_set_side_by_side() {
    let project = two_runs();
    let told = project.run(&["compare", "last~1", "last"]).succeeded();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("compare__runs", masked(&told.stdout));
    });
    let compared = json(&project, &["compare", "last~1", "last", "--json"]);
    assert_eq!(
        compared["params"],
        json!([{ "what": "keep", "a": 4, "b": 6 }])
    );
    assert_eq!(
        compared["config"],
        json!([{ "what": "best.count", "a": 4, "b": 6 }])
    );
    let best = &compared["selections"]["best"]["compared"];
    assert_eq!(
        (&best["common"], &best["share_of_a"]),
        (&json!(4), &json!(1.0))
    );
    assert_eq!(best["mean_shift"], json!(0.0));
    assert_eq!(best["score"]["spearman"], json!(1.0));
    // Texts of 0, 10, 20, .. letters.
    assert_eq!(best["mean_text_length"], json!([15.0, 25.0]));
    assert_eq!(best["order"], json!(1.0));
    let share = |value: &str| {
        let mut shares = best["shares"].as_array().expect("shares").iter();
        let found = shares.find(|share| share["value"] == value);
        let found = found.unwrap_or_else(|| panic!("{value} in {best}"));
        (found["a"].as_f64(), found["b"].as_f64())
    };
    assert_eq!(share("late"), (Some(0.0), Some(1.0 / 6.0)));
    assert_eq!(share("0 to 15"), (Some(0.5), Some(2.0 / 6.0)));
    assert_eq!(share("16 to 31"), (Some(0.5), Some(2.0 / 6.0)));
    assert_eq!(share("32 to 63"), (Some(0.0), Some(2.0 / 6.0)));
    assert_eq!(
        compared["selections"]["some"]["compared"]["jaccard"],
        json!(1.0)
    );
    let same: Vec<_> = (0..3)
        .map(|n| compared["nodes"][n]["same"].clone())
        .collect();
    assert_eq!(same, [true, false, true]);
}

#[test]
fn selections_come_from_runs_outputs_and_lock_files() {
    let project = two_runs();
    let expected = json(&project, &["compare", "last~1:best", "last:best", "--json"]);
    assert_eq!(expected["jaccard"].as_f64(), Some(4.0 / 6.0));
    for (a, b) in [
        ("old.lock.json", "best.jsonl.lock.json"),
        ("old.lock.json", "best.jsonl"),
        ("last~1:best", "best.jsonl"),
    ] {
        let compared = json(&project, &["compare", a, b, "--json"]);
        for what in [
            "rows_a",
            "rows_b",
            "common",
            "jaccard",
            "mean_shift",
            "order",
            "score",
        ] {
            assert_eq!(compared[what], expected[what], "{a} and {b}: {what}");
        }
        assert_eq!(compared["shares"], json!(null));
        let told = project.run(&["compare", a, b]).succeeded();
        assert!(
            told.stdout.contains("a lock file does not hold the rows"),
            "{told}"
        );
    }
}

#[test]
fn of_many_sorts_those_that_shift_most_are_shown() {
    let project = Project::new();
    // 800 rows of 16 sources; the selections are the first 750 and the last 750.
    let records: Vec<String> = (0..800)
        .map(|n| {
            format!(
                "{{\"id\": \"r{n}\", \"source\": \"s{:02}\", \"score\": {n}}}",
                n / 50
            )
        })
        .collect();
    project.file("data.jsonl", records.join("\n")).file(
        "p.yaml",
        "version: 1
nodes:
  rows: { kind: load.jsonl, path: data.jsonl }
  first: { kind: select.top, input: rows, score: rows.score, count: 750, order: smallest }
  last: { kind: select.top, input: rows, score: rows.score, count: 750 }
",
    );
    for node in ["first", "last"] {
        project.run(&["run", "p.yaml", "--to", node]).succeeded();
    }
    let both = ["compare", "last~1:first", "last:last"];
    let told = project.run(&both).succeeded();
    for words in [
        ["source", "s00", "6.7 %", "0.0 %", "-6.7"].as_slice(),
        &["source", "s15", "0.0 %", "6.7 %", "+6.7"],
        &["source", "(4 that shift less)"],
    ] {
        let mut lines = told.stdout.lines();
        let line = lines.any(|line| words.iter().all(|word| line.contains(word)));
        assert!(line, "{words:?} in {told}");
    }
    let all = json(&project, &[&both[..], &["--json"]].concat());
    assert_eq!(all["shares"].as_array().map(Vec::len), Some(16));
    // The common picks stand in opposite orders.
    assert_eq!(all["order"], json!(-1.0));
}

#[test]
fn what_is_gone_is_said() {
    let project = two_runs();
    fs::remove_dir_all(project.path(".trommel/objects")).expect("removed");
    let told = project.run(&["compare", "last~1", "last"]).succeeded();
    assert!(
        told.stdout
            .contains("the cache no longer holds what `best` gave in"),
        "{told}"
    );
    let outcome = project.run(&["compare", "last:best", "best.jsonl"]);
    assert_eq!(outcome.status, 1, "{outcome}");
    assert!(outcome.stderr.contains("no longer holds"), "{outcome}");
}

#[test]
fn wrong_calls_say_what_was_meant() {
    let project = two_runs();
    for (a, b, words) in [
        ("lsat", "last", "did you mean `last`?"),
        ("last:bst", "last", "did you mean `best`?"),
        (
            "last:rows",
            "last",
            "`rows` is no selection, but a node of kind load.jsonl",
        ),
        ("last", "last:best", "RUN:NODE names a selection of a run"),
        (
            "data.jsonl",
            "last:best",
            "there is no data.jsonl.lock.json",
        ),
        (
            "nowhere/out.json",
            "last",
            "there is no file nowhere/out.json",
        ),
    ] {
        let outcome = project.run(&["compare", a, b]).refused();
        assert!(outcome.stderr.contains(words), "{a} {b}: {outcome}");
    }
    project.file("bad.lock.json", "{ \"picks\": [{}] }");
    let outcome = project
        .run(&["compare", "bad.lock.json", "old.lock.json"])
        .refused();
    assert!(
        outcome
            .stderr
            .contains("is no lock file: pick 0 has no key"),
        "{outcome}"
    );
}
