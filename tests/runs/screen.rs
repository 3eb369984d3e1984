//! What `show` does with tables that are wider than the screen.

use serde_json::{Map, Value};

use crate::support::Project;

/// Records of `columns` texts, 40 letters each.
fn wide(columns: usize) -> Project {
    let project = Project::new();
    let record = |n: usize| -> Value {
        let cells = (0..columns).map(|c| {
            (
                format!("column{c}"),
                format!("{n}{}", "x".repeat(39)).into(),
            )
        });
        cells.collect::<Map<_, _>>().into()
    };
    let records: Vec<String> = (0..6).map(|n| record(n).to_string()).collect();
    project.file("data.jsonl", records.join("\n")).file(
        "p.yaml",
        "version: 1\nnodes:\n  rows: { kind: load.jsonl, path: data.jsonl }\n\
         outputs:\n  - { from: rows, path: out.jsonl, format: jsonl }\n",
    );
    project.run(&["run", "p.yaml"]).succeeded();
    project
}

fn widest(text: &str) -> usize {
    text.lines()
        .map(|line| line.trim_end().chars().count())
        .max()
        .unwrap_or(0)
}

#[test]
fn columns_are_shortened_and_then_named_as_hidden() {
    let short = wide(4).run(&["show", "p.yaml", "rows"]).succeeded();
    assert!(
        short.stdout.contains("column3") && short.stdout.contains('…'),
        "{short}"
    );
    assert!(!short.stdout.contains("not shown"), "{short}");
    let many = wide(9).run(&["show", "p.yaml", "rows"]).succeeded();
    assert!(many.stdout.contains("not shown: key, "), "{many}");
    assert!(many.stdout.contains("--columns"), "{many}");
    for outcome in [short, many] {
        let table = outcome.stdout.lines().filter(|l| !l.contains("not shown"));
        assert!(
            widest(&table.collect::<Vec<_>>().join("\n")) <= 120,
            "{outcome}"
        );
    }
}

#[test]
fn few_rows_stand_upright_and_whole() {
    let outcome = wide(9)
        .run(&["show", "p.yaml", "rows", "--rows", "2"])
        .succeeded();
    let cell = format!("1{}", "x".repeat(39));
    assert_eq!(outcome.stdout.matches(&cell).count(), 9, "{outcome}");
    assert!(outcome.stdout.contains("row 1\n"), "{outcome}");
    assert!(!outcome.stdout.contains('…'), "{outcome}");
}
