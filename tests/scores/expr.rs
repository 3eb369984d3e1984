//! score.expr in a pipeline, and select.where over columns of other nodes.

use serde_json::{Value, json};

use super::project;

const NODES: &str = "  t: { kind: score.text, input: rows, measures: [words, chars] }
  e:
    kind: score.expr
    input: rows
    with: { words: t.text_words, length: t.text_chars }
    columns:
      long: words > 10
      shown: image IS NOT NULL
      per_word: CAST(length AS DOUBLE) / words
  some: { kind: select.where, input: rows, with: { long: e.long, words: t.text_words }, expression: NOT long OR words > 17 }
";

#[test]
fn columns_of_other_nodes_are_put_together() {
    let project = project(NODES);
    assert_eq!(project.ran(&["--to", "some"]), "rows, e 3/3, some, t 3/3");
    assert_eq!(project.column("e", "long"), [true, false, true]);
    assert_eq!(project.column("e", "shown"), [true, true, false]);
    let chars = project.column("t", "text_chars");
    let per_word = project.column("e", "per_word");
    assert_eq!(
        per_word[1].as_f64(),
        chars[1].as_f64().map(|chars| chars / 5.0)
    );
    // The rows of the input, not those of the scores.
    assert_eq!(project.column("some", "id"), ["record-0", "record-1"]);
    assert_eq!(project.ran(&["--to", "some"]), "nothing");
}

#[test]
fn only_columns_that_an_expression_names_count() {
    let project =
        project("  e: { kind: score.expr, input: rows, columns: { shown: image IS NOT NULL } }\n");
    assert_eq!(project.ran(&["--to", "e"]), "rows, e 3/3");
    project.answer(0, "Something else.");
    // Not a row is computed: the new chunk is made of rows that are there.
    assert_eq!(project.ran(&["--to", "e"]), "rows");
}

#[test]
fn names_under_with_are_no_mere_labels() {
    let nodes = |with: &str| {
        format!(
            "  t: {{ kind: score.text, input: rows, measures: [words, chars] }}
  e: {{ kind: score.expr, input: rows, with: {{ {with} }}, columns: {{ more: a - b }} }}
  some: {{ kind: select.where, input: rows, with: {{ {with} }}, expression: a > b }}\n"
        )
    };
    let project = project(&nodes("a: t.text_chars, b: t.text_words"));
    project.ran(&["--to", "some"]);
    project.ran(&["--to", "e"]);
    let before = project.column("e", "more");
    assert_eq!(project.column("some", "unique_idx"), [0, 1, 2]);
    let text = project.read("p.yaml");
    project.file(
        "p.yaml",
        text.replace(
            "a: t.text_chars, b: t.text_words",
            "b: t.text_chars, a: t.text_words",
        ),
    );
    assert_eq!(project.ran(&["--to", "e"]), "e 3/3");
    let after = project.column("e", "more");
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.as_i64().map(|n| -n), after.as_i64());
    }
    project.ran(&["--to", "some"]);
    assert_eq!(project.column("some", "unique_idx"), [Value::Null; 0]);
}

#[test]
fn a_row_at_fault_is_named_and_can_be_set_aside() {
    let nodes = "  more: { kind: load.jsonl, path: more.jsonl }
  e: { kind: score.expr, input: more, columns: { n: CAST(t AS BIGINT) } }\n";
    let project = project(nodes);
    project.file(
        "more.jsonl",
        "{\"t\": \"1\"}\n{\"t\": \"x\"}\n{\"t\": null}\n",
    );
    let log = project.log(&["--to", "e"]);
    assert_eq!(log.outcome.status, 1, "{}", log.outcome);
    assert!(
        log.said().contains("unique_idx 1: `CAST(t AS BIGINT)`: "),
        "{}",
        log.said()
    );
    project.file(
        "p.yaml",
        project
            .read("p.yaml")
            .replace("input: more, c", "input: more, on_error: quarantine, c"),
    );
    project.ran(&["--to", "e"]);
    assert_eq!(
        project.column("e", "n"),
        [json!(1), Value::Null, Value::Null]
    );
}
