//! All measures of texts: against recorded values, and on any text whatever.

use std::sync::Arc;

use arrow::array::{Float32Array, ListArray, StructArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Float32Type;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::testing::{contract, recorded, rows, run};
use super::*;

/// The names of all measures, as the schema has them.
fn all_measures() -> Vec<String> {
    let schema = schemars::schema_for!(Measure).to_value();
    let choices = schema["oneOf"].as_array().expect("choices");
    let names = choices
        .iter()
        .map(|choice| choice["const"].as_str().expect("a name"));
    names.map(ToOwned::to_owned).collect()
}

fn config(measures: &[String]) -> Json {
    json!({ "input": "rows", "measures": measures, "char_ngram": 3, "word_ngram": 2 })
}

/// One conversation for each row: a question and an answer, or none.
fn conversations(rows: &[Option<[&str; 2]>]) -> ArrayRef {
    let said = rows.iter().flatten().flatten().copied();
    let from = rows.iter().flatten().flat_map(|_| ["human", "gpt"]);
    let fields = vec![
        Field::new("from", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, false),
    ];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(from)),
        Arc::new(StringArray::from_iter_values(said)),
    ];
    let turns = StructArray::new(fields.into(), columns, None);
    let item = Arc::new(Field::new("item", turns.data_type().clone(), false));
    let lengths = rows.iter().map(|row| if row.is_some() { 2 } else { 0 });
    let valid: NullBuffer = rows.iter().map(Option::is_some).collect::<Vec<_>>().into();
    let offsets = OffsetBuffer::from_lengths(lengths);
    Arc::new(ListArray::new(item, offsets, Arc::new(turns), Some(valid)))
}

fn texts(texts: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

#[test]
fn every_measure_gives_its_columns() {
    let measures = all_measures();
    assert!(measures.len() > 15);
    let batch = rows([
        (
            "text",
            texts(&[Some("Is this a cat? It is a cat, 1 cat."), None]),
        ),
        (
            "conversations",
            conversations(&[Some(["Is it?", "It is."]), None]),
        ),
    ]);
    let output = run::<Text>(config(&measures), &batch).unwrap();
    let promised = &contract::<Text>(config(&measures)).ports[0].columns;
    assert_eq!(output.columns.num_columns(), promised.len());
    for (array, (name, ty)) in output.columns.columns().iter().zip(promised) {
        assert_eq!(ColumnType::of(array.data_type()), *ty, "{name}");
        assert!(array.is_valid(0), "{name} of a plain text");
        assert!(array.is_null(1), "{name} of no text");
    }
}

#[test]
fn only_what_is_measured_is_read() {
    let reads = |measures: &[&str]| {
        let config = json!({ "input": "rows", "measures": measures, "text": "caption" });
        let contract = contract::<Text>(config);
        let reads = contract.inputs[0].reads.iter();
        reads.map(|read| read.column.clone()).collect::<Vec<_>>()
    };
    assert_eq!(reads(&["chars", "language"]), ["caption"]);
    assert_eq!(reads(&["turns"]), ["conversations"]);
    assert_eq!(reads(&["turns", "chars"]), ["caption", "conversations"]);
}

#[test]
fn turns_are_counted_by_speaker() {
    let batch = rows([(
        "conversations",
        conversations(&[
            Some(["<image>\nWho is there?", "A cat."]),
            Some(["", ""]),
            None,
        ]),
    )]);
    let measures = [
        "turns",
        "question_chars",
        "question_words",
        "answer_chars",
        "answer_words",
    ];
    let config = json!({ "input": "rows", "measures": measures });
    let output = run::<Text>(config, &batch).unwrap().columns;
    let expected = [[1, 1], [13, 0], [3, 0], [6, 0], [2, 0]];
    for (array, [first, second]) in output.columns().iter().zip(expected) {
        let expected = UInt32Array::from(vec![Some(first), Some(second), None]);
        assert_eq!(array.as_ref(), &expected as &dyn Array);
    }
}

#[test]
fn what_is_no_conversation_is_told() {
    let numbers: ArrayRef = Arc::new(Float32Array::from(vec![1.0]));
    let batch = rows([("conversations", numbers)]);
    let config = json!({ "input": "rows", "measures": ["turns"] });
    let error = run::<Text>(config, &batch).err().expect("an error").message;
    assert_eq!(
        error,
        "`conversations` holds Float32, not lists of turns with `from` and `value`"
    );
}

/// Texts of the quickstart and some by hand, measured by py-data-juicer. Empty texts, of which it says 0, are null here.
#[test]
fn ratios_and_repetitions_are_those_of_data_juicer() {
    let recorded = recorded();
    let cases = recorded["texts"].as_array().expect("texts");
    assert!(cases.len() > 40);
    let given: Vec<Option<&str>> = cases.iter().map(|case| case["text"].as_str()).collect();
    let batch = rows([("text", texts(&given))]);
    for n in [2, 5, 10] {
        let measures = [
            "char_repetition",
            "word_repetition",
            "alphanumeric_ratio",
            "special_ratio",
        ];
        let config =
            json!({ "input": "rows", "measures": measures, "char_ngram": n, "word_ngram": n });
        let output = run::<Text>(config, &batch).unwrap().columns;
        let keys = [
            format!("char_{n}"),
            format!("word_{n}"),
            "alphanumeric".into(),
            "special".into(),
        ];
        for (array, key) in output.columns().iter().zip(&keys) {
            let values = array.as_primitive::<Float32Type>();
            for (row, case) in cases.iter().enumerate() {
                let ours = if values.is_null(row) {
                    0.0
                } else {
                    f64::from(values.value(row))
                };
                let theirs = case[key].as_f64().expect("a number");
                assert!((ours - theirs).abs() < 1e-6, "{key} of {case}: {ours}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_can_be_measured(text in any::<String>(), more in "[ -~\\n]{0,80}", n in 1_u32..6) {
        let text = text + &more + &more;
        let batch = rows([
            ("text", texts(&[Some(&text)])),
            ("conversations", conversations(&[Some([&text, &more])])),
        ]);
        let measures = all_measures();
        let config = json!({ "input": "rows", "measures": measures, "char_ngram": n, "word_ngram": n });
        let output = run::<Text>(config, &batch).unwrap();
        prop_assert!(output.failed.is_empty());
        for (field, array) in output.columns.schema_ref().fields().iter().zip(output.columns.columns()) {
            let Some(values) = array.as_primitive_opt::<Float32Type>() else { continue };
            if values.is_null(0) {
                continue;
            }
            let value = values.value(0);
            let most = if field.name().ends_with("entropy") || field.name().ends_with("length") { f32::MAX } else { 1.0 };
            prop_assert!((0.0..=most).contains(&value), "{}: {value}", field.name());
        }
    }
}
