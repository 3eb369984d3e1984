//! Answers that keep a promise, and those that do not.

use arrow::array::{
    Float32Array, Float64Array, Int16Array, Int64Array, LargeStringArray, ListArray, NullArray,
    StringArray, UInt8Array,
};
use arrow::datatypes::Int64Type;

use super::*;

fn gives(columns: &[(&str, Given)]) -> BTreeMap<String, Given> {
    let owned = columns
        .iter()
        .map(|(name, given)| ((*name).to_owned(), *given));
    owned.collect()
}

fn answer(columns: Vec<(&str, ArrayRef)>) -> RowOutput {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns)
        .unwrap()
        .into()
}

fn fitted(answer: RowOutput, promised: &[(&str, Given)]) -> RecordBatch {
    let rows = answer.columns.num_rows();
    let fitted = fit(answer, rows, &mut gives(promised));
    fitted.unwrap_or_else(|m| panic!("{}", m.message)).columns
}

fn refused(answer: RowOutput, rows: usize, promised: &[(&str, Given)], words: &[&str]) {
    let misfit = fit(answer, rows, &mut gives(promised))
        .err()
        .expect("a misfit");
    let said = format!("{} ({})", misfit.message, misfit.help.unwrap_or_default());
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
}

fn floats(values: &[f32]) -> ArrayRef {
    Arc::new(Float32Array::from(values.to_vec()))
}

#[test]
fn columns_come_in_the_order_of_their_names_whatever_theirs() {
    let text: ArrayRef = Arc::new(LargeStringArray::from(vec!["a", "b"]));
    let batch = fitted(
        answer(vec![("z", floats(&[1.0, 2.0])), ("a", text)]),
        &[("z", Given::F32), ("a", Given::Text)],
    );
    let schema = batch.schema();
    let fields: Vec<_> = schema.fields().iter().collect();
    assert_eq!(
        (fields[0].name(), fields[1].name()),
        (&"a".into(), &"z".into())
    );
    assert_eq!(fields[0].data_type(), &DataType::Utf8);
    assert!(fields[1].is_nullable());
}

#[test]
fn types_are_widened_only_where_no_value_changes() {
    let small: ArrayRef = Arc::new(Int16Array::from(vec![-3, 300]));
    for given in [Given::F32, Given::F64, Given::I64] {
        fitted(answer(vec![("x", small.clone())]), &[("x", given)]);
    }
    refused(
        answer(vec![("x", small)]),
        2,
        &[("x", Given::U32)],
        &["`x` as Int16", "promises u32"],
    );
    let bytes: ArrayRef = Arc::new(UInt8Array::from(vec![7, 8]));
    fitted(answer(vec![("x", bytes)]), &[("x", Given::U32)]);
    fitted(answer(vec![("x", floats(&[0.5]))]), &[("x", Given::F64)]);
    let wide: ArrayRef = Arc::new(Float64Array::from(vec![0.1]));
    refused(
        answer(vec![("x", wide)]),
        1,
        &[("x", Given::F32)],
        &["`x` as f64", "promises f32"],
    );
    let long: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    refused(
        answer(vec![("x", long)]),
        1,
        &[("x", Given::F64)],
        &["i64", "f64"],
    );
    let nothing: ArrayRef = Arc::new(NullArray::new(2));
    let batch = fitted(answer(vec![("x", nothing)]), &[("x", Given::Text)]);
    assert_eq!(batch.column(0).null_count(), 2);
}

#[test]
fn missing_and_further_columns_are_named_with_their_types() {
    refused(
        answer(vec![("y", floats(&[1.0]))]),
        1,
        &[("x", Given::Text)],
        &["`x` (text)", "`y` (f32)"],
    );
    refused(
        answer(vec![("x", floats(&[1.0])), ("y", floats(&[1.0]))]),
        1,
        &[("x", Given::F32)],
        &["a column `y` (f32)", "does not name"],
    );
    refused(
        answer(vec![("x", floats(&[1.0])), ("x", floats(&[1.0]))]),
        1,
        &[("x", Given::F32)],
        &["`x` twice"],
    );
    let empty = RecordBatch::new_empty(Arc::new(Schema::empty()));
    refused(empty.into(), 3, &[("x", Given::F32)], &["no column at all"]);
}

#[test]
fn rows_are_counted() {
    for (rows, words) in [(2, "3 rows for 2"), (4, "3 rows for 4")] {
        let answer = answer(vec![("x", floats(&[1.0, 2.0, 3.0]))]);
        refused(answer, rows, &[("x", Given::F32)], &[words]);
    }
}

#[test]
fn failed_rows_are_null_whatever_stands_there() {
    let failure = |row| RowFailure {
        row,
        reason: "broken".into(),
    };
    let mut output = answer(vec![("x", floats(&[1.0, 2.0]))]);
    output.failed = vec![failure(1)];
    let batch = fitted(output, &[("x", Given::F32)]);
    assert_eq!(batch.column(0).null_count(), 1);
    assert!(batch.column(0).is_null(1));
    let mut output = answer(vec![("x", floats(&[1.0, 2.0]))]);
    output.failed = vec![failure(2)];
    refused(
        output,
        2,
        &[("x", Given::F32)],
        &["row 2 has failed (broken)", "rows 0 to 1"],
    );
}

fn lists(rows: Vec<Option<Vec<Option<f32>>>>) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
}

#[test]
fn vectors_have_one_width() {
    let two = |a, b| Some(vec![Some(a), Some(b)]);
    let promised = &[("v", Given::Vector(Some(2)))];
    let batch = fitted(
        answer(vec![("v", lists(vec![two(1.0, 2.0), None, two(3.0, 4.0)]))]),
        promised,
    );
    let vectors = trommel_engine::table::vectors(batch.column(0)).unwrap();
    assert_eq!((vectors.width(), vectors.row(1)), (2, None));
    assert_eq!(vectors.row(2), Some(&[3.0, 4.0][..]));
    let uneven = || lists(vec![two(1.0, 2.0), Some(vec![Some(1.0)])]);
    refused(
        answer(vec![("v", uneven())]),
        2,
        promised,
        &["1 values", "not of 2", "row 1"],
    );
    refused(
        answer(vec![("v", uneven())]),
        2,
        &[("v", Given::Vector(None))],
        &["1 values", "not of 2"],
    );
    refused(
        answer(vec![("v", lists(vec![Some(vec![None, Some(1.0)])]))]),
        1,
        promised,
        &["holds a null", "row 0"],
    );
    let whole: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(1), Some(2)]),
    ]));
    refused(
        answer(vec![("v", whole)]),
        1,
        promised,
        &["list of i64", "vector(2)"],
    );
}

#[test]
fn a_width_left_open_is_that_of_the_first_vector() {
    let mut promised = gives(&[("v", Given::Vector(None))]);
    let none = fit(answer(vec![("v", lists(vec![None]))]), 1, &mut promised);
    let help = none.err().expect("a misfit").help.unwrap_or_default();
    assert!(help.contains("vector(WIDTH)"), "{help}");
    let first = lists(vec![Some(vec![Some(1.0); 3])]);
    fit(answer(vec![("v", first)]), 1, &mut promised).unwrap();
    assert_eq!(promised["v"], Given::Vector(Some(3)));
    // Now rows without any are fine, and those of another width are not.
    let fitted = fit(answer(vec![("v", lists(vec![None]))]), 1, &mut promised).unwrap();
    assert_eq!(fitted.columns.column(0).null_count(), 1);
    let other = lists(vec![Some(vec![Some(1.0); 4])]);
    assert!(fit(answer(vec![("v", other)]), 1, &mut promised).is_err());
}

#[test]
fn texts_in_a_dictionary_are_texts() {
    let texts: StringArray = vec![Some("a"), None, Some("a")].into();
    let packed = arrow::compute::cast(
        &texts,
        &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
    );
    let batch = fitted(answer(vec![("x", packed.unwrap())]), &[("x", Given::Text)]);
    assert_eq!(batch.column(0).as_string::<i32>(), &texts);
}
