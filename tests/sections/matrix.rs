//! Swept names: what is shared, what comes in variants, and that keys know nothing of it.

use super::{pipeline, scored};

const SWEEP: &str =
    "matrix: { n: [1, 2] }\noutputs: [{ from: one, path: \"one_${n}.jsonl\", format: jsonl }]\n";

#[test]
fn what_depends_on_a_name_comes_in_variants_and_the_rest_is_shared() {
    let project = scored();
    project.file("p.yaml", pipeline("\"${n}\"", "1", SWEEP));
    assert_eq!(
        project.ran(&[]),
        "rows, best[n=1], best[n=2], one[n=1], one[n=2]; wrote one_1.jsonl; wrote one_2.jsonl"
    );
    assert_eq!(project.table("best[n=1]").as_array().map(Vec::len), Some(1));
    assert_eq!(
        project.table("best[n=2.0]").as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(
        project.ran(&["--to", "one[n=1]", "--force", "one[n=1]"]),
        "one[n=1]"
    );
    assert_eq!(
        project.ran(&["--to", "one", "--force", "best"]),
        "best[n=1], best[n=2]"
    );
    let refused = project.run(&["show", "p.yaml", "best"]).refused();
    assert!(refused.stderr.contains("best[n=1], best[n=2]"), "{refused}");
}

#[test]
fn a_variant_is_the_node_that_it_would_be_without_a_matrix() {
    let plain = "outputs: [{ from: one, path: one.jsonl, format: jsonl }]\n";
    let project = scored();
    project.file("p.yaml", pipeline("2", "1", plain));
    assert_eq!(project.ran(&[]), "rows, best, one; wrote one.jsonl");
    project.file("p.yaml", pipeline("\"${n}\"", "1", SWEEP));
    assert_eq!(
        project.ran(&[]),
        "best[n=1], one[n=1]; wrote one_1.jsonl; wrote one_2.jsonl"
    );
    assert_eq!(project.read("one_2.jsonl"), project.read("one.jsonl"));
}

#[test]
fn a_value_set_by_the_caller_takes_the_sweep_away() {
    let project = scored();
    project.file("p.yaml", pipeline("\"${n}\"", "1", SWEEP));
    assert_eq!(
        project.ran(&["--set", "n=3"]),
        "rows, best, one; wrote one_3.jsonl"
    );
}

#[test]
fn a_node_may_sweep_names_of_its_own() {
    let project = scored();
    let more = "matrix: { n: [1, 2] }\noutputs: [{ from: one, path: \"one_${n}_${k}.jsonl\", format: jsonl }]\n";
    let own = "\"${k}\", matrix: { k: { low: 1, high: 9 } }";
    project.file("p.yaml", pipeline("\"${n}\"", own, more));
    assert_eq!(
        project.ran(&[]),
        "rows, best[n=1], best[n=2], one[n=1,k=high], one[n=1,k=low], one[n=2,k=high], one[n=2,k=low]; \
         wrote one_1_low.jsonl; wrote one_1_high.jsonl; wrote one_2_low.jsonl; wrote one_2_high.jsonl"
    );
}

#[test]
fn a_reference_may_name_a_variant() {
    let project = scored();
    let more = "  both: { kind: select.random, input: \"best[n=2]\", count: 2 }\nmatrix: { n: [1, 2] }\n\
                outputs: [{ from: both, path: both.jsonl, format: jsonl }, { from: \"one[n=1]\", path: one.jsonl, format: jsonl }]\n";
    project.file("p.yaml", pipeline("\"${n}\"", "1", more));
    assert_eq!(
        project.ran(&[]),
        "rows, best[n=1], best[n=2], both, one[n=1]; wrote both.jsonl; wrote one.jsonl"
    );
}

#[test]
fn lists_are_swept_by_their_labels() {
    let project = scored();
    project.file(
        "p.yaml",
        "version: 1\nparams: { from: 0 }\nmatrix: { from: { here: rows, there: best } }\nnodes:\n  \
         rows: { kind: load.jsonl, path: rows.jsonl }\n  \
         best: { kind: select.top, input: rows, score: rows.s, count: 2 }\n  \
         one: { kind: select.random, input: \"${from}\", count: 1 }\n\
         outputs: [{ from: one, path: \"${from}.jsonl\", format: jsonl }]\n",
    );
    assert_eq!(
        project.ran(&[]),
        "rows, best, one[from=here], one[from=there]; wrote here.jsonl; wrote there.jsonl"
    );
    // A value set by the caller keeps its label.
    assert_eq!(
        project.ran(&["--set", "from=best"]),
        "nothing; wrote there.jsonl"
    );
}
