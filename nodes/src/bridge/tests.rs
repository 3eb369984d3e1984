//! Tables of every column type that nodes give, there and back.

use arrow::array::{
    BinaryArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray, Float32Array,
    Float64Array, Int64Array, ListArray, StringArray, StructArray, UInt32Array, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Float32Type;
use trommel_engine::table::list_of_floats;

use super::*;

fn turns() -> ListArray {
    let fields = vec![
        Field::new("from", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, false),
    ];
    let from = StringArray::from(vec!["human", "gpt", "human"]);
    let value = StringArray::from(vec!["What is this?", "Ein Bäcker 🥨", ""]);
    let turns = StructArray::new(fields.into(), vec![Arc::new(from), Arc::new(value)], None);
    let item = Arc::new(Field::new("item", turns.data_type().clone(), false));
    ListArray::new(
        item,
        OffsetBuffer::from_lengths([2, 0, 1, 0]),
        Arc::new(turns),
        Some(NullBuffer::from(vec![true, true, true, false])),
    )
}

fn batch() -> RecordBatch {
    let vectors = |valid| list_of_floats((0..12_u8).map(f32::from).collect(), 3, valid).unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "key",
            Arc::new(FixedSizeBinaryArray::try_from_iter((0..4_u8).map(|i| [i; 16])).unwrap()),
        ),
        (
            "unique_idx",
            Arc::new(UInt64Array::from(vec![0, 1, u64::MAX, 3])),
        ),
        (
            "text",
            Arc::new(StringArray::from(vec![
                Some("a longer text than a view holds"),
                None,
                Some(""),
                Some("d"),
            ])),
        ),
        ("conversations", Arc::new(turns())),
        ("vector", Arc::new(vectors(None))),
        (
            "some",
            Arc::new(vectors(Some(vec![true, false, true, true]))),
        ),
        (
            "f32",
            Arc::new(Float32Array::from(vec![
                Some(0.1),
                None,
                Some(f32::NAN),
                Some(-0.0),
            ])),
        ),
        (
            "f64",
            Arc::new(Float64Array::from(vec![
                None,
                Some(0.1),
                Some(f64::INFINITY),
                Some(1e-300),
            ])),
        ),
        ("pick", Arc::new(UInt32Array::from(vec![3, 2, 1, u32::MAX]))),
        (
            "i64",
            Arc::new(Int64Array::from(vec![i64::MIN, 0, 1, i64::MAX])),
        ),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                None,
                Some(false),
                Some(true),
            ])),
        ),
        (
            "bytes",
            Arc::new(BinaryArray::from_opt_vec(vec![
                Some(&b"\x00\xff"[..]),
                None,
                Some(b""),
                Some(b"x"),
            ])),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true)))
        .unwrap()
}

/// What comes back of a batch: the same values, keys as bytes of any length, every value nullable.
fn expected(batch: &RecordBatch) -> Vec<ArrayRef> {
    let nullable = |data_type: &DataType| match data_type {
        DataType::List(item) => {
            let DataType::Struct(fields) = item.data_type() else {
                unreachable!()
            };
            let fields = fields
                .iter()
                .map(|f| f.as_ref().clone().with_nullable(true))
                .collect();
            DataType::List(Arc::new(Field::new("item", DataType::Struct(fields), true)))
        }
        DataType::FixedSizeList(item, width) => {
            DataType::FixedSizeList(Arc::new(item.as_ref().clone().with_nullable(true)), *width)
        }
        DataType::FixedSizeBinary(_) => DataType::Binary,
        other => other.clone(),
    };
    batch
        .columns()
        .iter()
        .map(|array| arrow::compute::cast(array, &nullable(array.data_type())).unwrap())
        .collect()
}

#[test]
fn every_type_comes_back() {
    let batch = batch();
    let back = from_polars(&to_polars(&batch).unwrap()).unwrap();
    assert_eq!(back.num_rows(), 4);
    for ((field, found), expected) in back
        .schema()
        .fields()
        .iter()
        .zip(back.columns())
        .zip(expected(&batch))
    {
        assert_eq!(found, &expected, "{}", field.name());
    }
    let names: Vec<_> = back
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().clone())
        .collect();
    assert_eq!(
        names,
        batch
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().clone())
            .collect::<Vec<_>>()
    );
}

#[test]
fn slices_and_empty_batches_come_back() {
    for (start, length) in [(1, 2), (3, 1), (0, 0), (4, 0)] {
        let slice = batch().slice(start, length);
        let back = from_polars(&to_polars(&slice).unwrap()).unwrap();
        assert_eq!(back.columns(), expected(&slice), "{start} {length}");
    }
    let none = RecordBatch::new_empty(Arc::new(Schema::empty()));
    assert_eq!(
        from_polars(&to_polars(&none).unwrap())
            .unwrap()
            .num_columns(),
        0
    );
}

#[test]
fn numbers_are_shared_not_copied() {
    let batch = batch();
    let place = |batch: &RecordBatch| {
        let list: &FixedSizeListArray =
            batch.column_by_name("vector").unwrap().as_fixed_size_list();
        list.values()
            .as_primitive::<Float32Type>()
            .values()
            .as_ptr()
    };
    let back = from_polars(&to_polars(&batch).unwrap()).unwrap();
    assert_eq!(place(&back), place(&batch));
    // The values outlive both the batch they came from and the frame.
    let expected = expected(&batch);
    drop(batch);
    assert_eq!(back.columns(), expected);
}

#[test]
fn a_frame_of_several_chunks_is_one_batch() {
    let batch = batch();
    let mut frame = to_polars(&batch).unwrap();
    frame
        .vstack_mut(&to_polars(&batch.slice(1, 2)).unwrap())
        .unwrap();
    let back = from_polars(&frame).unwrap();
    assert_eq!(back.num_rows(), 6);
    assert_eq!(back.slice(4, 2).columns(), expected(&batch.slice(1, 2)));
}

#[test]
fn a_column_of_nothing_becomes_text() {
    let nothing = arrow::array::new_null_array(&DataType::Null, 2);
    let batch = RecordBatch::try_from_iter_with_nullable([("none", nothing, true)]).unwrap();
    let back = from_polars(&to_polars(&batch).unwrap()).unwrap();
    assert_eq!(
        back.column(0),
        &arrow::array::new_null_array(&DataType::Utf8, 2)
    );
}

#[test]
fn instants_come_back_in_utc() {
    let times = arrow::array::TimestampMicrosecondArray::from(vec![Some(7), None]);
    let zoned: ArrayRef = Arc::new(times.clone().with_timezone("Europe/Berlin"));
    let batch = RecordBatch::try_from_iter_with_nullable([("at", zoned, true)]).unwrap();
    let back = from_polars(&to_polars(&batch).unwrap()).unwrap();
    let expected: ArrayRef = Arc::new(times.with_timezone("+00:00"));
    assert_eq!(back.column(0), &expected);
    let again = from_polars(&to_polars(&back).unwrap()).unwrap();
    assert_eq!(again.column(0), &expected);
}

#[test]
fn a_type_that_polars_would_panic_at_is_refused_by_name() {
    let array = arrow::array::new_empty_array(&DataType::Float16);
    let batch = RecordBatch::try_from_iter([("half", array)]).unwrap();
    let error = to_polars(&batch).unwrap_err().to_string();
    assert!(
        error.contains("`half`") && error.contains("Float16"),
        "{error}"
    );
}
