//! The rank kinds that make one score of others.

use serde_json::{Value, json};

use crate::support::Project;

const PIPELINE: &str = "\
version: 1
nodes:
  rows: { kind: load.jsonl, path: data.jsonl }
  place: { kind: rank.percentile, value: rows.a }
  standard: { kind: rank.zscore, value: rows.a }
  both: { kind: rank.weighted, values: [rows.a, rows.b], weights: [1, 10] }
  level: { kind: rank.weighted, values: [rows.a, rows.b], weights: [1, -1], scale: percentile }
  fused: { kind: rank.fusion, values: [rows.a, rows.b], k: 1 }
  best: { kind: select.top, input: rows, score: fused.score, count: 2 }
outputs:
  - { from: best, path: best.jsonl, format: jsonl }
";

fn project() -> Project {
    let project = Project::new();
    let rows = [
        json!({"a": 1.0, "b": 5.0}),
        json!({"a": 3.0, "b": 1.0}),
        json!({"a": 3.0, "b": null}),
        json!({"a": null, "b": null}),
    ];
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    project
        .file("data.jsonl", lines.join("\n"))
        .file("p.yaml", PIPELINE);
    project
}

fn scores(project: &Project, node: &str) -> (Vec<Value>, Vec<Value>) {
    project.run(&["run", "p.yaml", "--to", node]).succeeded();
    let table = project.table(node);
    let column = |name: &str| {
        table
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| row[name].clone())
            .collect()
    };
    (column("score"), column("rank"))
}

#[test]
fn scores_are_made_of_scores() {
    let project = project();
    let none = Value::Null;
    let (score, rank) = scores(&project, "place");
    assert_eq!(
        score,
        [
            json!(1.0 / 6.0),
            json!(2.0 / 3.0),
            json!(2.0 / 3.0),
            none.clone()
        ]
    );
    assert_eq!(rank, [json!(2), json!(0), json!(1), none.clone()]);
    let (score, _) = scores(&project, "standard");
    let first = score[0].as_f64().expect("a score");
    assert!((first + 2_f64.sqrt()).abs() < 1e-12, "{first}");
    let (score, rank) = scores(&project, "both");
    assert_eq!(
        score,
        [json!(51.0), json!(13.0), none.clone(), none.clone()]
    );
    assert_eq!(rank, [json!(0), json!(1), none.clone(), none.clone()]);
    let (score, _) = scores(&project, "level");
    let expected = [1.0 / 6.0 - 0.75, 2.0 / 3.0 - 0.25];
    for (score, expected) in score.iter().zip(expected) {
        assert!((score.as_f64().expect("a score") - expected).abs() < 1e-12);
    }
    let (score, rank) = scores(&project, "fused");
    assert_eq!(
        score,
        [
            json!(1.0 / 4.0 + 1.0 / 2.0),
            json!(1.0 / 2.5 + 1.0 / 3.0),
            json!(1.0 / 2.5),
            none.clone()
        ]
    );
    assert_eq!(rank, [json!(0), json!(1), json!(2), none]);
    project.run(&["run", "p.yaml"]).succeeded();
    assert_eq!(project.read("best.jsonl").lines().count(), 2);
}

#[test]
fn swapped_columns_are_another_sum() {
    let project = project();
    let (before, _) = scores(&project, "both");
    let text = PIPELINE.replace(
        "both: { kind: rank.weighted, values: [rows.a, rows.b]",
        "both: { kind: rank.weighted, values: [rows.b, rows.a]",
    );
    project.file("p.yaml", text);
    let (after, _) = scores(&project, "both");
    assert_eq!((&before[0], &after[0]), (&json!(51.0), &json!(15.0)));
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    let project = project();
    for (from, to, words) in [
        (
            "weights: [1, 10]",
            "weights: [1]",
            "there are 1 weights for 2 columns",
        ),
        ("k: 1", "k: -1", "`k` is -1"),
        (
            "values: [rows.a, rows.b], k",
            "values: [], k",
            "there is nothing to fuse",
        ),
        ("value: rows.a", "value: rows.c", "rows"),
    ] {
        project.file("p.yaml", PIPELINE.replacen(from, to, 1));
        let told = project.run(&["check", "p.yaml"]);
        if to.contains("rows.c") {
            // The columns of a JSONL file are known once it is read.
            let told = project.run(&["run", "p.yaml", "--to", "place"]);
            assert_eq!(told.status, 1, "{told}");
            assert!(
                told.stderr.contains("rows.c") || told.stderr.contains("`c`"),
                "{told}"
            );
            continue;
        }
        assert_eq!(told.status, 2, "{told}");
        assert!(told.stderr.contains(words), "{told}");
    }
}
