//! An Arrow IPC file (Feather version 2), all columns.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use arrow::array::{FixedSizeListArray, Float32Array, Float64Array};
use arrow::datatypes::{Float32Type, Float64Type};
use arrow::ipc::writer::FileWriter;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Companion, Content, Format, ImageNames, OutputContext};

use super::{beside, images};

pub(super) struct ArrowFile;

impl Format for ArrowFile {
    fn name(&self) -> &'static str {
        "arrow"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        &[]
    }

    fn image_names(&self, table: &Table) -> Result<ImageNames, NodeError> {
        images::image_names(table)
    }

    fn write(&self, content: &Content<'_>, path: &Path) -> Result<(), NodeError> {
        // With images beside the output, the column of their paths is one of text that may be null, whatever it was.
        let schema = match content.image_folder {
            Some(_) => images::schema_with_image(&content.table.schema(), &DataType::Utf8),
            None => content.table.schema().as_ref().clone(),
        };
        let mut writer = FileWriter::try_new(BufWriter::new(File::create(path)?), &schema)?;
        for batch in images::batches(content) {
            let batch = batch?;
            let columns = batch.columns().iter().map(without_remains).collect();
            writer.write(&RecordBatch::try_new(batch.schema(), columns)?)?;
        }
        writer.finish()?;
        Ok(())
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
        beside::companions(context)
    }
}

/// The numbers that lie under nulls mean nothing, and no digest covers them, but a file shows them: they become
/// zeros, so that equal tables are equal files.
fn without_remains(column: &ArrayRef) -> ArrayRef {
    if column.null_count() == 0 {
        return column.clone();
    }
    match column.data_type() {
        DataType::Float32 => Arc::new(Float32Array::from_iter(
            column.as_primitive::<Float32Type>(),
        )),
        DataType::Float64 => Arc::new(Float64Array::from_iter(
            column.as_primitive::<Float64Type>(),
        )),
        DataType::FixedSizeList(field, width) if *field.data_type() == DataType::Float32 => {
            let list = column.as_fixed_size_list();
            let width_of = *width as usize;
            let mut values = list
                .values()
                .as_primitive::<Float32Type>()
                .values()
                .to_vec();
            for row in (0..list.len()).filter(|&row| list.is_null(row)) {
                values[row * width_of..(row + 1) * width_of].fill(0.0);
            }
            let values = Arc::new(Float32Array::from(values));
            Arc::new(FixedSizeListArray::new(
                field.clone(),
                *width,
                values,
                list.nulls().cloned(),
            ))
        }
        _ => column.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_under_nulls_is_not_written() {
        let field = Arc::new(Field::new("item", DataType::Float32, false));
        let nulls = vec![true, false, true];
        let with = |remains: f32| -> ArrayRef {
            let values = Float32Array::from(vec![1.0, 2.0, remains, remains, 5.0, 6.0]);
            let values = Arc::new(values);
            let nulls = Some(arrow::buffer::NullBuffer::new(Vec::clone(&nulls).into()));
            Arc::new(FixedSizeListArray::new(field.clone(), 2, values, nulls))
        };
        let (dirty, clean) = (with(7.0), with(0.0));
        assert_eq!(without_remains(&dirty).to_data(), clean.to_data());
        let sliced = without_remains(&dirty.slice(1, 2));
        assert_eq!(&sliced, &clean.slice(1, 2));
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![Some(1.0), None]));
        assert_eq!(&without_remains(&numbers), &numbers);
    }
}
