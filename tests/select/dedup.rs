//! Duplicates.

use serde_json::{Value, json};

use super::project;
use crate::support::npy;

#[test]
fn rows_with_the_same_values_are_kept_once() {
    let rows: Vec<Value> = [
        json!({"t": "a", "n": 1, "s": 1.0}),
        json!({"t": "a", "n": 2, "s": 2.0}),
        json!({"t": null, "n": null, "s": 3.0}),
        json!({"t": "a", "n": 1, "s": 5.0}),
        json!({"t": null, "n": null, "s": 3.0}),
        json!({"t": "b", "n": null, "s": null}),
        json!({"t": "b", "n": null, "s": 0.0}),
    ]
    .to_vec();
    let project = project(
        &rows,
        "  both: { kind: select.dedup, input: rows, keys: [rows.t, rows.n] }
  one: { kind: select.dedup, input: rows, keys: [rows.t] }
  best: { kind: select.dedup, input: rows, keys: [rows.t, rows.n], score: rows.s }
",
    );
    project.made("both", &["2 of 7 rows are duplicates"]);
    assert_eq!(project.picked("both"), [0, 1, 2, 4, 5]);
    project.made("one", &[]);
    assert_eq!(project.picked("one"), [0, 2, 4, 5]);
    // Of 0 and 3 the better one; 6 has a score and 5 has none.
    project.made("best", &[]);
    assert_eq!(project.picked("best"), [1, 2, 3, 4, 6]);
    assert_eq!(project.given("best.duplicates", "unique_idx"), [0, 5]);
    assert_eq!(project.given("best.duplicates", "kept"), [3, 6]);
}

#[test]
fn hashes_that_are_near_are_duplicates() {
    // Each differs from the one before in two bits.
    let hashes = [0_u64, 0b11, 0b1111, u64::MAX];
    let rows: Vec<Value> = hashes.iter().map(|h| json!({"h": h.to_string()})).collect();
    let project = project(
        &rows,
        "  hash: { kind: score.expr, input: rows, columns: { h: \"CAST(h AS BIGINT UNSIGNED)\" } }
  two: { kind: select.dedup, input: rows, hash: hash.h, distance: 2 }
  four: { kind: select.dedup, input: rows, hash: hash.h }
  none: { kind: select.dedup, input: rows, hash: hash.h, distance: 0 }
",
    );
    // 2 is near to 1, but that was left out for 0.
    project.made("two", &["1 of 4 rows are duplicates"]);
    assert_eq!(project.picked("two"), [0, 2, 3]);
    project.made("four", &[]);
    assert_eq!(project.picked("four"), [0, 3]);
    project.made("none", &[]);
    assert_eq!(project.picked("none"), [0, 1, 2, 3]);
}

#[test]
fn vectors_that_are_near_are_duplicates() {
    let rows = [
        json!({"s": 1.0}),
        json!({"s": 2.0}),
        json!({"s": 3.0}),
        json!({"s": 0.0}),
    ];
    let project = project(
        &rows,
        "  v: { kind: load.vectors, input: rows, path: v.npy, column: v }
  first: { kind: select.dedup, input: rows, vectors: v.v, similarity: 0.9 }
  best: { kind: select.dedup, input: rows, vectors: v.v, similarity: 0.9, score: rows.s }
",
    );
    // 0 and 1 are alike, and so are 1 and 2, but not 0 and 2. A row of zeros is like nothing.
    let vectors = [[1.0, 0.0], [0.9, 0.4], [1.4, 1.4], [0.0, 0.0]];
    project.file("v.npy", npy(&vectors.map(Vec::from)));
    project.made("first", &[]);
    assert_eq!(project.picked("first"), [0, 2, 3]);
    assert_eq!(project.given("first.duplicates", "unique_idx"), [1]);
    assert_eq!(project.given("first.duplicates", "kept"), [0]);
    project.made("best", &[]);
    assert_eq!(project.picked("best"), [0, 2, 3]);
    assert_eq!(project.given("best.duplicates", "kept"), [2]);
}

#[test]
fn a_duplicate_is_one_thing() {
    let project = project(&[json!({"t": "a"})], "");
    for (how, words) in [
        ("", "there are 0"),
        (", keys: [rows.t], hash: rows.t", "there are 2"),
        (", keys: [rows.t], distance: 64", "`distance` is 64"),
        (", keys: [rows.t], similarity: 1.5", "`similarity` is 1.5"),
    ] {
        project.nodes(&format!(
            "  some: {{ kind: select.dedup, input: rows{how} }}\n"
        ));
        project.refuses(&[words]);
    }
    project.nodes("  some: { kind: select.dedup, input: rows, hash: rows.t }\n");
    project.breaks(&["rows.t holds no hashes of 64 bits", "score.image"]);
}
