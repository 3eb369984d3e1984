//! The digest of an Arrow array: over schema-tagged buffers, not row by row.
//!
//! Two arrays that hold equal values have equal digests, however they are sliced and whatever lies
//! in the slots of their nulls.

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, make_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ArrowNativeType, DataType};

use super::digest::{Digest, Digester};

/// Digest of the values of `array` and of their type.
pub fn array_digest(array: &dyn Array) -> Digest {
    let mut digester = Digester::new("trommel.array.1");
    feed(array, &mut digester);
    digester.finish()
}

/// Whether tables hold columns of this type: others are refused before they are digested.
pub fn is_supported(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::FixedSizeBinary(_) => true,
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            is_supported(field.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|f| is_supported(f.data_type())),
        other => other.primitive_width().is_some(),
    }
}

fn feed(array: &dyn Array, out: &mut Digester) {
    out.push("type", type_tag(array.data_type()).as_bytes());
    out.push("rows", &(array.len() as u64).to_le_bytes());
    let nulls = array.logical_nulls().filter(|n| n.null_count() > 0);
    if let Some(nulls) = &nulls {
        out.push("nulls", &validity_bytes(nulls));
    }
    match array.data_type() {
        DataType::Null => {}
        DataType::Boolean => {
            let values = array.as_boolean();
            let bits: Vec<u8> = (0..array.len())
                .map(|i| u8::from(values.is_valid(i) && values.value(i)))
                .collect();
            out.push("bits", &bits);
        }
        DataType::Utf8 => feed_bytes(array.as_string::<i32>(), out),
        DataType::LargeUtf8 => feed_bytes(array.as_string::<i64>(), out),
        DataType::Binary => feed_bytes(array.as_binary::<i32>(), out),
        DataType::LargeBinary => feed_bytes(array.as_binary::<i64>(), out),
        DataType::List(_) => feed_list(array.as_list::<i32>(), out),
        DataType::LargeList(_) => feed_list(array.as_list::<i64>(), out),
        DataType::FixedSizeList(_, width) => {
            let list = array.as_fixed_size_list();
            let (width, start) = (*width as usize, list.offset());
            if nulls.is_none() {
                feed(
                    &*list.values().slice(start * width, list.len() * width),
                    out,
                );
            } else {
                for row in (0..list.len()).filter(|&row| list.is_valid(row)) {
                    feed(&*list.value(row), out);
                }
            }
        }
        DataType::Struct(fields) => {
            let rows = array.as_struct();
            for (field, column) in fields.iter().zip(rows.columns()) {
                out.push("field", field.name().as_bytes());
                feed(&*with_parent_nulls(column, nulls.as_ref()), out);
            }
        }
        _ => feed_fixed_width(array, nulls.as_ref(), out),
    }
}

/// Names of a list's inner field and its nullability are spelling, not content.
fn type_tag(data_type: &DataType) -> String {
    match data_type {
        DataType::List(field) => format!("list<{}>", type_tag(field.data_type())),
        DataType::LargeList(field) => format!("large_list<{}>", type_tag(field.data_type())),
        DataType::FixedSizeList(field, width) => {
            format!("list<{}; {width}>", type_tag(field.data_type()))
        }
        DataType::Struct(fields) => {
            let names = fields
                .iter()
                .map(|f| format!("{:?}: {}", f.name(), type_tag(f.data_type())))
                .collect::<Vec<_>>();
            format!("struct<{}>", names.join(", "))
        }
        other => format!("{other:?}"),
    }
}

fn validity_bytes(nulls: &NullBuffer) -> Vec<u8> {
    nulls.iter().map(u8::from).collect()
}

/// A struct's null row makes its fields null there, whatever their own buffers say.
fn with_parent_nulls(column: &ArrayRef, parent: Option<&NullBuffer>) -> ArrayRef {
    let Some(parent) = parent else {
        return column.clone();
    };
    let merged = NullBuffer::union(column.logical_nulls().as_ref(), Some(parent));
    let data = column.to_data().into_builder().nulls(merged);
    data.build().map_or_else(|_| column.clone(), make_array)
}

fn feed_bytes<T: arrow::datatypes::ByteArrayType>(
    array: &arrow::array::GenericByteArray<T>,
    out: &mut Digester,
) {
    let offsets = array.value_offsets();
    if array.null_count() == 0 {
        let first = offsets[0].as_usize();
        let ends: Vec<u8> = offsets[1..]
            .iter()
            .flat_map(|o| ((o.as_usize() - first) as u64).to_le_bytes())
            .collect();
        out.push("ends", &ends);
        let last = offsets[offsets.len() - 1].as_usize();
        out.raw(&array.value_data()[first..last]);
        return;
    }
    let mut end = 0_u64;
    let mut ends = Vec::with_capacity(array.len() * 8);
    for row in 0..array.len() {
        if array.is_valid(row) {
            end += array.value_length(row).as_usize() as u64;
        }
        ends.extend_from_slice(&end.to_le_bytes());
    }
    out.push("ends", &ends);
    for row in (0..array.len()).filter(|&row| array.is_valid(row)) {
        let (start, end) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
        out.raw(&array.value_data()[start..end]);
    }
}

fn feed_list<O: OffsetSizeTrait>(array: &arrow::array::GenericListArray<O>, out: &mut Digester) {
    let mut end = 0_u64;
    let mut ends = Vec::with_capacity(array.len() * 8);
    for row in 0..array.len() {
        if array.is_valid(row) {
            end += array.value_length(row).as_usize() as u64;
        }
        ends.extend_from_slice(&end.to_le_bytes());
    }
    out.push("ends", &ends);
    if array.null_count() == 0 {
        let offsets = array.value_offsets();
        let (first, last) = (offsets[0].as_usize(), offsets[array.len()].as_usize());
        feed(&*array.values().slice(first, last - first), out);
    } else {
        for row in (0..array.len()).filter(|&row| array.is_valid(row)) {
            feed(&*array.value(row), out);
        }
    }
}

fn feed_fixed_width(array: &dyn Array, nulls: Option<&NullBuffer>, out: &mut Digester) {
    let data = array.to_data();
    let width = match data.data_type() {
        DataType::FixedSizeBinary(width) => *width as usize,
        other => other.primitive_width().unwrap_or(0),
    };
    let start = data.offset() * width;
    let bytes = &data.buffers()[0].as_slice()[start..start + data.len() * width];
    match nulls {
        None => out.push("values", bytes),
        Some(nulls) => {
            let mut kept = bytes.to_vec();
            for row in (0..data.len()).filter(|&row| nulls.is_null(row)) {
                kept[row * width..(row + 1) * width].fill(0);
            }
            out.push("values", &kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        FixedSizeListArray, Float32Array, Int32Array, Int64Array, ListArray, StringArray,
        StructArray,
    };
    use arrow::datatypes::{Field, Float32Type, Int32Type};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn type_is_part_of_the_content() {
        let text = StringArray::from(vec!["1"]);
        let number = Int64Array::from(vec![1]);
        let narrow = Int32Array::from(vec![1]);
        assert_ne!(array_digest(&text), array_digest(&number));
        assert_ne!(array_digest(&narrow), array_digest(&number));
    }

    #[test]
    fn what_lies_under_a_null_does_not_count() {
        let nulls = NullBuffer::from(vec![true, false]);
        let a = Int32Array::new(vec![1, 7].into(), Some(nulls.clone()));
        let b = Int32Array::new(vec![1, 9].into(), Some(nulls));
        assert_eq!(array_digest(&a), array_digest(&b));
        let zero = Int32Array::from(vec![1, 0]);
        assert_ne!(array_digest(&a), array_digest(&zero));
    }

    #[test]
    fn struct_and_list_columns() {
        let turns = |values: Vec<&str>| {
            let column: ArrayRef = Arc::new(StringArray::from(values));
            StructArray::from(vec![(
                Arc::new(Field::new("from", DataType::Utf8, false)),
                column,
            )])
        };
        assert_ne!(
            array_digest(&turns(vec!["a", "b"])),
            array_digest(&turns(vec!["b", "a"]))
        );
        let one =
            ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2)]), None]);
        let two = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None]);
        assert_ne!(array_digest(&one), array_digest(&two));
    }

    #[test]
    fn fixed_size_lists_by_slice() {
        let all = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
            (0..4).map(|i| Some(vec![Some(i as f32), Some(0.5)])),
            2,
        );
        let part = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
            (1..3).map(|i| Some(vec![Some(i as f32), Some(0.5)])),
            2,
        );
        assert_eq!(array_digest(&all.slice(1, 2)), array_digest(&part));
        let _ = Float32Array::from(vec![0.0]);
    }

    proptest! {
        #[test]
        fn slices_digest_as_their_values(
            values in proptest::collection::vec(proptest::option::of("[a-z]{0,4}"), 0..40),
            cut in 0_usize..40,
        ) {
            let cut = cut.min(values.len());
            let whole = StringArray::from(values.clone());
            let rebuilt = StringArray::from(values[cut..].to_vec());
            prop_assert_eq!(
                array_digest(&whole.slice(cut, values.len() - cut)),
                array_digest(&rebuilt)
            );
        }
    }
}
