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
            "score",
        ] {
            assert_eq!(compared[what], expected[what], "{a} and {b}: {what}");
        }
    }
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
