//! `trommel test`: passing, failing and refused tests.

use super::{pipeline, scored};
use crate::support::{Project, repository, run_in};

/// A pipeline whose data is not there, with tests that bring their own.
fn tested(tests: &str) -> Project {
    let project = Project::new();
    let tests = format!("tests:\n{tests}");
    project.file("p.yaml", pipeline("\"${n}\"", "1", &tests));
    project
}

const GIVEN: &str = "given: { rows: [{ s: 0.1 }, { s: 0.5 }, { s: 0.3 }] }";

#[test]
fn rows_in_and_rows_out() {
    let project = tested(&format!(
        "  - {{ name: best, {GIVEN}, expect: [{{ node: best, rows: 2, order: [1, 2], columns: {{ score: [0.5, 0.3] }}, contains: [{{ pick: 1, s: 0.3 }}] }}] }}\n  \
         - {{ name: three, set: {{ n: 3 }}, {GIVEN}, expect: [{{ node: best, rows: 3 }}, {{ node: one, rows: 1 }}] }}\n  \
         - {{ name: nan, given: {{ rows: [{{ s: .nan }}] }}, expect: [{{ node: best, error: is NaN }}] }}\n"
    ));
    let outcome = project.run(&["test", "p.yaml"]).succeeded();
    assert_eq!(
        outcome.stdout,
        "ok      best\nok      three\nok      nan\n3 tests passed\n"
    );
    assert!(
        !project.path(".trommel").exists(),
        "the cache of tests is temporary"
    );
    let one = project
        .run(&["test", "p.yaml", "three", "--json"])
        .succeeded();
    let line: serde_json::Value = serde_json::from_str(&one.stdout).expect("one line of JSON");
    assert_eq!(
        (&line["test"], &line["ok"]),
        (&"three".into(), &true.into())
    );
}

#[test]
fn what_differs_is_shown() {
    let project = tested(&format!(
        "  - {{ name: wrong, {GIVEN}, expect: [{{ node: best, rows: 3, order: [1, 0, 2], contains: [{{ s: 0.1 }}] }}] }}\n  \
         - {{ name: close, {GIVEN}, expect: [{{ node: best, columns: {{ score: [0.5001, 0.3] }}, within: 1e-3 }}] }}\n  \
         - {{ name: fine, {GIVEN}, expect: [{{ node: best, error: is NaN }}] }}\n  \
         - {{ name: not run, expect: [{{ node: best, rows: 2 }}] }}\n"
    ));
    let outcome = project.run(&["test", "p.yaml"]);
    assert_eq!(outcome.status, 1, "{outcome}");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("test_differences", outcome.to_string());
    });
}

#[test]
fn a_wrong_section_is_the_file_s_fault() {
    let project = tested("  - { name: a, expect: [{ node: bets, rows: 1 }] }\n");
    for verb in ["check", "test"] {
        let outcome = project.run(&[verb, "p.yaml"]).refused();
        assert!(outcome.stderr.contains("did you mean `best`?"), "{outcome}");
    }
    let without = scored();
    without.file("p.yaml", pipeline("1", "1", ""));
    assert!(
        without
            .run(&["test", "p.yaml"])
            .refused()
            .stderr
            .contains("has no tests"),
        "a file without tests"
    );
}

#[test]
fn a_variant_can_be_given_and_expected() {
    let project = tested(
        "  - name: variants\n    given: { \"best[n=2]\": [{ s: 9, pick: 0 }], rows: [{ s: 1 }, { s: 2 }] }\n    \
         expect: [{ node: \"one[n=2]\", columns: { s: [9] } }, { node: \"one[n=1]\", columns: { s: [2] } }]\nmatrix: { n: [1, 2] }\n",
    );
    project.run(&["test", "p.yaml"]).succeeded();
}

#[test]
fn the_ready_example_passes() {
    let outcome = run_in(&repository("pipelines"), &["test", "quickstart_sweep.yaml"]);
    let outcome = outcome.succeeded();
    assert!(outcome.stdout.ends_with("2 tests passed\n"), "{outcome}");
}
