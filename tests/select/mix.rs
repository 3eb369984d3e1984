//! Selections put together.

use serde_json::{Value, json};

use super::project;

const SELECTIONS: &str =
    "  low: { kind: select.top, input: rows, score: rows.s, count: 4, order: smallest }
  high: { kind: select.top, input: rows, score: rows.s, count: 3 }
  some: { kind: select.top, input: low, score: low.s, count: 2 }
";

/// Scores 0 to 5: `low` picks 0 1 2 3, `high` 5 4 3, `some` 3 2.
fn rows() -> Vec<Value> {
    (0..6)
        .map(|row| json!({"s": row, "t": format!("text {row}")}))
        .collect()
}

#[test]
fn selections_are_put_together_in_order() {
    let mix = |name: &str, selections: &str, how: &str| {
        format!(
            "  {name}: {{ kind: select.mix, input: rows, selections: [{selections}], how: {how} }}\n"
        )
    };
    let nodes = [
        SELECTIONS,
        &mix("any", "high, low", "union"),
        &mix("both", "high, low", "intersection"),
        &mix("only", "low, high", "difference"),
        &mix("all", "low, some, high", "intersection"),
        &mix("first", "low, some, high", "difference"),
        &mix("turned", "low, high", "union"),
    ];
    let project = project(&rows(), &nodes.concat());
    project.made("any", &["6 rows of 3, 4"]);
    assert_eq!(project.picked("any"), [5, 4, 3, 0, 1, 2]);
    assert_eq!(project.given("any", "t")[0], json!("text 5"));
    for (name, expected) in [
        ("both", &[3][..]),
        ("only", &[0, 1, 2]),
        ("all", &[3]),
        ("first", &[0, 1]),
        // Another order of the same selections is another result.
        ("turned", &[0, 1, 2, 3, 5, 4]),
    ] {
        project.made(name, &[]);
        assert_eq!(project.picked(name), expected, "{name}");
    }
}

#[test]
fn selections_of_other_rows_or_of_one_only_are_refused() {
    let project = project(&rows(), "");
    let nodes = |mix: &str| project.nodes(&format!("{SELECTIONS}{mix}"));
    nodes("  some2: { kind: select.mix, input: rows, selections: [low], how: union }\n");
    project.refuses(&["there is nothing to mix"]);
    nodes("  some2: { kind: select.mix, input: rows, selections: [low, lower], how: union }\n");
    project.refuses(&["there is no node `lower`"]);
    nodes("  some2: { kind: select.mix, input: rows, selections: [low, high], how: both }\n");
    project.refuses(&["both", "intersection"]);
    project.nodes(
        "  low: { kind: select.top, input: rows, score: rows.s, count: 4, order: smallest }
  high: { kind: select.top, input: rows, score: rows.s, count: 3 }
  some: { kind: select.mix, input: high, selections: [high, low], how: union }
",
    );
    project.breaks(&[
        "3 of the 4 rows of `low` are not in `input`; the first is row 0",
        "the rows that all selections picked from",
    ]);
}
