//! One file over another.

use super::{pipeline, scored};

const OUTPUT: &str = "outputs: [{ from: one, path: one.jsonl, format: jsonl }]\n";

#[test]
fn what_is_not_overridden_is_not_computed_again() {
    let project = scored();
    project.file("base/p.yaml", pipeline("\"${n}\"", "1", OUTPUT));
    project.file("base/rows.jsonl", project.read("rows.jsonl"));
    project.run(&["run", "base/p.yaml"]).succeeded();
    project.file(
        "p.yaml",
        "version: 1\nextends: base/p.yaml\nnodes: { one: { seed: 2 } }\n",
    );
    assert_eq!(project.ran(&[]), "one; wrote one.jsonl");
    project.file(
        "p.yaml",
        "version: 1\nextends: base/p.yaml\nparams: { n: 3 }\n",
    );
    assert_eq!(project.ran(&[]), "best, one; wrote one.jsonl");
    assert!(
        !project.path("one.jsonl").exists(),
        "paths start where they are written"
    );
    assert!(project.path("base/one.jsonl").exists());
}

#[test]
fn a_parameter_of_the_extending_file_brings_its_folder() {
    let project = scored();
    project.file(
        "base/p.yaml",
        "version: 1\nparams: { data: nowhere }\nnodes: { rows: { kind: load.jsonl, path: \"${data}/rows.jsonl\" } }\n\
         outputs: [{ from: rows, path: \"${data}/copy.jsonl\", format: jsonl }]\n",
    );
    project.file(
        "p.yaml",
        "version: 1\nextends: base/p.yaml\nparams: { data: . }\n",
    );
    assert_eq!(project.ran(&[]), "rows; wrote copy.jsonl");
    assert!(project.path("copy.jsonl").exists());
    let set = ["--set", "data=base/.."];
    assert_eq!(project.ran(&set), "nothing; kept copy.jsonl");
}

#[test]
fn another_kind_takes_nothing_over() {
    let project = scored();
    project.file("base.yaml", pipeline("2", "1", OUTPUT));
    project.file(
        "p.yaml",
        "version: 1\nextends: base.yaml\nnodes:\n  one: { kind: select.top, input: rows, score: rows.s, count: 1 }\n  best: null\n",
    );
    assert_eq!(project.ran(&[]), "rows, one; wrote one.jsonl");
    assert!(project.read("one.jsonl").contains("0.5"), "the largest");
}
