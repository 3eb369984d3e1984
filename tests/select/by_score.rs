//! Bounds and quotas.

use serde_json::{Value, json};

use super::project;

/// Scores 5, 1, -, 3, 3, 4 of the groups a, b, a, -, b, b.
fn rows() -> Vec<Value> {
    vec![
        json!({"s": 5.0, "g": "a", "n": 1}),
        json!({"s": 1.0, "g": "b", "n": 2}),
        json!({"s": null, "g": "a", "n": 1}),
        json!({"s": 3.0, "g": null, "n": null}),
        json!({"s": 3.0, "g": "b", "n": 2}),
        json!({"s": 4.0, "g": "b", "n": 2}),
    ]
}

#[test]
fn bounds_are_part_of_what_is_picked() {
    let project = project(
        &rows(),
        "  from: { kind: select.threshold, input: rows, score: rows.s, min: 3 }
  to: { kind: select.threshold, input: rows, score: rows.s, max: 3 }
  both: { kind: select.threshold, input: rows, score: rows.s, min: 3, max: 4 }
  none: { kind: select.threshold, input: rows, score: rows.s, min: 9 }
",
    );
    project.made("from", &["1 of 6 rows have no score", "4 of 6 rows"]);
    assert_eq!(project.picked("from"), [0, 3, 4, 5]);
    assert_eq!(project.given("from", "score"), [5.0, 3.0, 3.0, 4.0]);
    project.made("to", &[]);
    assert_eq!(project.picked("to"), [1, 3, 4]);
    project.made("both", &[]);
    assert_eq!(project.picked("both"), [3, 4, 5]);
    project.made("none", &["0 of 6 rows"]);
    assert_eq!(project.given("none", "pick"), [] as [Value; 0]);
}

#[test]
fn bounds_that_leave_nothing_or_all_are_refused() {
    let project = project(&rows(), "");
    for (bounds, words) in [
        ("", "there is no bound"),
        (", min: 2, max: 1", "`min` is 2 and `max` is 1"),
        (", min: .nan", "`min` is NaN"),
        (", max: .inf", "`max` is inf"),
    ] {
        let node =
            format!("  some: {{ kind: select.threshold, input: rows, score: rows.s{bounds} }}\n");
        project.nodes(&node);
        project.refuses(&[words]);
    }
    project.nodes("  some: { kind: select.threshold, input: rows, score: rows.g, min: 1 }\n");
    project.breaks(&["rows.g"]);
}

#[test]
fn groups_give_their_share() {
    let project = project(
        &rows(),
        "  equal: { kind: select.quota, input: rows, group: rows.g, count: 2, allot: equal, score: rows.s }
  most: { kind: select.quota, input: rows, group: rows.g, count: 3, score: rows.s }
  numbers: { kind: select.quota, input: rows, group: rows.n, count: 2, allot: square_root, score: rows.s }
  all: { kind: select.quota, input: rows, group: rows.g, count: 9, allot: equal }
  lots: { kind: select.quota, input: rows, group: rows.g, count: 2, allot: equal, seed: 7 }
  random: { kind: select.random, input: rows, count: 6, seed: 7 }
",
    );
    project.made(
        "equal",
        &["1 of 6 rows have no score", "1 of 6 rows have no group"],
    );
    assert_eq!(project.picked("equal"), [0, 5]);
    assert_eq!(project.given("equal", "score"), [5.0, 4.0]);
    project.made("most", &[]);
    // One a and three b are left: dues 0.75 and 2.25.
    assert_eq!(project.picked("most"), [0, 5, 4]);
    project.made("numbers", &[]);
    assert_eq!(project.picked("numbers"), [0, 5]);
    project.made("all", &["only 5 rows can be picked"]);
    let mut all = project.picked("all");
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 4, 5]);
    // The first of each group in the order of lots.
    project.made("lots", &[]);
    project.made("random", &[]);
    let order = project.picked("random");
    let first = |group: &[u64]| order.iter().copied().find(|row| group.contains(row));
    let (a, b) = (
        first(&[0, 2]).expect("an a"),
        first(&[1, 4, 5]).expect("a b"),
    );
    let expected: Vec<u64> = order
        .iter()
        .copied()
        .filter(|row| [a, b].contains(row))
        .collect();
    assert_eq!(project.picked("lots"), expected);
}

#[test]
fn a_quota_of_nothing_or_without_groups_is_refused() {
    let project = project(&rows(), "");
    project.nodes("  some: { kind: select.quota, input: rows, group: rows.g, count: 0 }\n");
    project.refuses(&["`count` is 0"]);
    project.nodes(
        "  some: { kind: select.quota, input: rows, group: rows.g, count: 1, allot: most }\n",
    );
    project.refuses(&["most", "square_root"]);
    project.nodes("  some: { kind: select.quota, input: rows, group: rows.h, count: 1 }\n");
    project.breaks(&["rows.h"]);
}
