//! score.text in a pipeline.

use serde_json::{Value, json};

use super::project;

const MEASURES: &str = "  m: { kind: score.text, input: rows, measures: [words, turns, language, word_repetition], word_ngram: 2 }\n";

#[test]
fn columns_come_out() {
    let project = project(MEASURES);
    assert_eq!(project.ran(&["--to", "m"]), "rows, m 3/3");
    // USER: and ASSISTANT: are words of the text.
    assert_eq!(
        project.column("m", "text_words"),
        [json!(18), json!(5), json!(16)]
    );
    assert_eq!(project.column("m", "text_turns"), [1, 1, 1]);
    assert_eq!(project.column("m", "text_language")[0], "eng");
    let repetition = project.column("m", "text_word_repetition");
    // 15 pairs: user and, and now, now assistant, assistant no, and 11 times no no.
    assert_eq!(
        repetition[2].as_f64().map(|r| (r * 1e6).round()),
        Some((11.0_f64 / 15.0 * 1e6).round())
    );
}

#[test]
fn one_record_changed_is_one_row_computed() {
    let project = project(MEASURES);
    project.ran(&["--to", "m"]);
    assert_eq!(project.ran(&["--to", "m"]), "nothing");
    project.answer(1, "A cat. Still the same cat.");
    assert_eq!(project.ran(&["--to", "m"]), "rows, m 1/3");
    assert_eq!(project.column("m", "text_words")[1], json!(9));
}

#[test]
fn rows_without_a_text_have_nulls() {
    let project = project(
        "  more: { kind: load.jsonl, path: more.jsonl }
  m: { kind: score.text, input: more, text: caption, measures: [chars, special_ratio] }\n",
    );
    project.file(
        "more.jsonl",
        "{\"caption\": null}\n{\"caption\": \"\"}\n{\"caption\": \"a b\"}\n",
    );
    project.ran(&["--to", "m"]);
    assert_eq!(
        project.column("m", "text_chars"),
        [Value::Null, json!(0), json!(3)]
    );
    let ratios = project.column("m", "text_special_ratio");
    assert_eq!(ratios[..2], [Value::Null, Value::Null]);
}
