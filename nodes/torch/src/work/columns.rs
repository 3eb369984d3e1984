//! Columns out of messages: of the rows that came with one, and of the Arrow files that one names.

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use trommel_engine::table::{StoredBatch, strings};
use trommel_engine::worker::protocol::TableInput;

use super::WorkError;

/// A column of text of the rows to compute.
pub(super) fn text_column(rows: &RecordBatch, column: &str) -> Result<StringArray, WorkError> {
    let found = rows.column_by_name(column).ok_or_else(|| {
        let schema = rows.schema();
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        missing("rows".into(), column, &names)
    })?;
    text(found, column, || "rows".into())
}

/// A column as text; a column of nulls alone counts as one.
pub(super) fn text(
    array: &ArrayRef,
    column: &str,
    place: impl FnOnce() -> String,
) -> Result<StringArray, WorkError> {
    match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            Ok(strings(array)?)
        }
        other => Err(WorkError::ColumnType {
            place: place(),
            column: column.to_owned(),
            found: other.to_string(),
            expected: "text",
        }),
    }
}

/// The only table under a key.
pub(super) fn input<'a>(
    inputs: &'a [TableInput],
    key: &'static str,
) -> Result<&'a TableInput, WorkError> {
    inputs
        .iter()
        .find(|input| input.key == key)
        .ok_or(WorkError::Input { key })
}

/// How errors name a table.
pub(super) fn place(input: &TableInput) -> String {
    format!("table `{}`", input.reference)
}

pub(super) fn has_column(input: &TableInput, column: &str) -> bool {
    input.fields.iter().any(|field| field == column)
}

/// A column of a table, chunk by chunk, mapped from its files. Fewer or more rows than the message says are an error.
pub(super) fn chunks(input: &TableInput, column: &str) -> Result<Vec<ArrayRef>, WorkError> {
    let at = input.fields.iter().position(|field| field == column);
    let at = at.ok_or_else(|| {
        let names: Vec<&str> = input.fields.iter().map(String::as_str).collect();
        missing(place(input), column, &names)
    })?;
    let broken = |reason: String| WorkError::Table {
        place: place(input),
        reason,
    };
    let chunk = |(number, chunk): (usize, &trommel_engine::worker::protocol::ChunkPlaces)| {
        let stored = chunk.columns.get(at).ok_or_else(|| {
            broken(format!(
                "chunk {number} has no place for the column `{column}`"
            ))
        })?;
        let (path, index) = (&stored.path, stored.index);
        let file = StoredBatch::new(path.clone());
        let found = file
            .column(index)
            .map_err(|error| broken(error.to_string()))?;
        if found.len() == chunk.rows {
            return Ok(found);
        }
        let (rows, expected) = (found.len(), chunk.rows);
        let path = path.display();
        Err(broken(format!("{path} holds {rows} rows, not {expected}")))
    };
    input.chunks.iter().enumerate().map(chunk).collect()
}

fn missing(place: String, column: &str, found: &[&str]) -> WorkError {
    WorkError::Column {
        place,
        column: column.to_owned(),
        found: if found.is_empty() {
            "none".into()
        } else {
            found.join(", ")
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, NullArray};

    use super::super::testing::stored;
    use super::*;

    #[test]
    fn a_column_is_read_from_the_files_that_a_message_names() {
        let folder = tempfile::tempdir().unwrap();
        let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let mut input = stored(
            folder.path(),
            "input",
            "load",
            None,
            &[("name", names.clone()), ("number", numbers)],
        );
        assert_eq!(chunks(&input, "name").unwrap(), [names]);
        let error = chunks(&input, "nmae").unwrap_err().words();
        assert!(error.contains("no column `nmae` in the table `load`; it has name, number"));
        input.chunks[0].rows = 3;
        let error = chunks(&input, "name").unwrap_err().words();
        assert!(error.contains("holds 2 rows, not 3"), "{error}");
        input.chunks[0].columns[0].path = folder.path().join("gone");
        let error = chunks(&input, "name").unwrap_err().words();
        assert!(error.contains("gone"), "{error}");
    }

    #[test]
    fn columns_of_rows_are_text() {
        let nothing: ArrayRef = Arc::new(NullArray::new(2));
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let rows = RecordBatch::try_from_iter([("a", nothing), ("b", numbers)]).unwrap();
        assert_eq!(text_column(&rows, "a").unwrap().null_count(), 2);
        let error = text_column(&rows, "b").unwrap_err().words();
        assert!(error.contains("holds Int32, expected text"), "{error}");
        let error = text_column(&rows, "c").unwrap_err().words();
        assert!(error.contains("it has a, b"), "{error}");
    }
}
