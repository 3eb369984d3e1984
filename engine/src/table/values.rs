//! Typed views of columns for node authors: text, numbers and vectors out of Arrow arrays.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use arrow::error::ArrowError;

/// A column as text (`Utf8`), cast where it is stored otherwise.
pub fn strings(array: &ArrayRef) -> Result<StringArray, ArrowError> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// A column of numbers as f64, null where it is null. An f32 widens exactly. Text is refused, even if it could be read as
/// numbers: a cast would make a null of what cannot.
pub fn floats(array: &ArrayRef) -> Result<Vec<Option<f64>>, ArrowError> {
    let ty = array.data_type();
    if !(ty.is_numeric() || matches!(ty, DataType::Boolean | DataType::Null)) {
        return Err(ArrowError::InvalidArgumentError(format!(
            "a column of numbers was expected, found {ty}"
        )));
    }
    let wide = cast(array, &DataType::Float64)?;
    Ok(wide.as_primitive::<Float64Type>().iter().collect())
}

/// Rows of f32 of one width, possibly with nulls: one chunk of a column of vectors.
pub struct FloatRows {
    values: Float32Array,
    nulls: Option<arrow::buffer::NullBuffer>,
    width: usize,
    rows: usize,
}

impl FloatRows {
    pub fn width(&self) -> usize {
        self.width
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// `rows * width` values, row by row; what stands in null rows has no meaning.
    pub fn values(&self) -> &[f32] {
        self.values.values()
    }

    pub fn row(&self, row: usize) -> Option<&[f32]> {
        if self.nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            return None;
        }
        Some(&self.values.values()[row * self.width..(row + 1) * self.width])
    }
}

/// One chunk of a column of vectors.
pub fn vectors(array: &ArrayRef) -> Result<FloatRows, ArrowError> {
    let list = fixed_width(array)?;
    let list = list.as_fixed_size_list();
    let width = list.value_length() as usize;
    let start = list.offset() * width;
    let values = list.values().slice(start, list.len() * width);
    // Under a null row there may be anything.
    let holds_null = |row| list.is_valid(row) && values.slice(row * width, width).null_count() > 0;
    if values.null_count() > 0 && (0..list.len()).any(holds_null) {
        return Err(ArrowError::InvalidArgumentError(
            "a vector holds a null".into(),
        ));
    }
    Ok(FloatRows {
        values: values.as_primitive::<Float32Type>().clone(),
        nulls: list.nulls().cloned().filter(|n| n.null_count() > 0),
        width,
        rows: list.len(),
    })
}

fn fixed_width(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::FixedSizeList(field, _) if *field.data_type() == DataType::Float32 => {
            Ok(array.clone())
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let width = (0..list.len())
                .find(|&i| list.is_valid(i))
                .map_or(0, |i| list.value_length(i));
            // A cast would make a null of it.
            let other =
                (0..list.len()).find(|&i| list.is_valid(i) && list.value_length(i) != width);
            if let Some(other) = other {
                return Err(ArrowError::InvalidArgumentError(format!(
                    "vectors of {width} values were expected, and row {other} of these has {}",
                    list.value_length(other)
                )));
            }
            let field = Arc::new(Field::new("item", DataType::Float32, true));
            cast(array, &DataType::FixedSizeList(field, width))
        }
        other => Err(ArrowError::InvalidArgumentError(format!(
            "a column of vectors was expected, found {other}"
        ))),
    }
}

/// A column of vectors out of `rows * width` values.
pub fn list_of_floats(
    values: Vec<f32>,
    width: usize,
    valid: Option<Vec<bool>>,
) -> Result<FixedSizeListArray, ArrowError> {
    let field = Arc::new(Field::new("item", DataType::Float32, false));
    FixedSizeListArray::try_new(
        field,
        width as i32,
        Arc::new(Float32Array::from(values)),
        valid.map(Into::into),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_number() {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["1", "one"]));
        let error = floats(&text).unwrap_err().to_string();
        assert!(
            error.contains("a column of numbers was expected, found Utf8"),
            "{error}"
        );
        let flags: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![Some(true), None]));
        assert_eq!(floats(&flags).unwrap(), [Some(1.0), None]);
    }

    #[test]
    fn lists_of_different_lengths_are_no_vectors() {
        let lists = |second: Option<Vec<Option<f32>>>| {
            let rows = [None, Some(vec![Some(1.0), Some(2.0)]), second];
            Arc::new(arrow::array::ListArray::from_iter_primitive::<
                Float32Type,
                _,
                _,
            >(rows)) as ArrayRef
        };
        let found = vectors(&lists(Some(vec![Some(3.0), Some(4.0)]))).unwrap();
        assert_eq!((found.row(0), found.row(2)), (None, Some(&[3.0, 4.0][..])));
        let error = vectors(&lists(Some(vec![Some(3.0)])))
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("vectors of 2 values were expected, and row 2 of these has 1"),
            "{error}"
        );
    }

    #[test]
    fn rows_of_a_sliced_column() {
        let list = list_of_floats(
            vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            2,
            Some(vec![true, false, true]),
        )
        .unwrap();
        let sliced: ArrayRef = Arc::new(list.slice(1, 2));
        let rows = vectors(&sliced).unwrap();
        assert_eq!((rows.rows(), rows.width()), (2, 2));
        assert_eq!(rows.row(0), None);
        assert_eq!(rows.row(1), Some(&[4.0, 5.0][..]));
    }

    #[test]
    fn only_a_vector_that_is_there_can_lack_a_component() {
        let list = list_of_floats(vec![0.0; 4], 2, Some(vec![true, false])).unwrap();
        // Taking rows nulls what stands under a null row.
        let taken = arrow::compute::take(&list, &arrow::array::UInt32Array::from(vec![1, 0]), None);
        let rows = vectors(&taken.unwrap()).unwrap();
        assert_eq!((rows.row(0), rows.row(1)), (None, Some(&[0.0, 0.0][..])));
        let field = Arc::new(Field::new("item", DataType::Float32, true));
        let values = Float32Array::from(vec![Some(1.0), None]);
        let list = FixedSizeListArray::new(field, 2, Arc::new(values), None);
        let list: ArrayRef = Arc::new(list);
        assert!(vectors(&list).is_err());
    }
}
