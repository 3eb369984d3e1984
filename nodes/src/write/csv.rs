//! Comma-separated values with a header; lists and structs as JSON text, bytes as hex, null as nothing.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::array::StringArray;
use arrow::csv::WriterBuilder;
use arrow::json::ArrayWriter;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Companion, Content, Format, ImageNames, OutputContext};

use super::{beside, images};

pub(super) struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        &[]
    }

    fn image_names(&self, table: &Table) -> Result<ImageNames, NodeError> {
        images::image_names(table)
    }

    fn write(&self, content: &Content<'_>, path: &Path) -> Result<(), NodeError> {
        let mut file = BufWriter::new(File::create(path)?);
        write_rows(
            &RecordBatch::new_empty(content.table.schema()),
            true,
            &mut file,
        )?;
        for batch in images::batches(content) {
            write_rows(&batch?, false, &mut file)?;
        }
        file.flush()?;
        Ok(())
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
        beside::companions(context)
    }
}

/// A batch as CSV with its header.
pub fn csv_bytes(batch: &RecordBatch) -> Result<Vec<u8>, NodeError> {
    let mut bytes = Vec::new();
    write_rows(batch, true, &mut bytes)?;
    Ok(bytes)
}

fn write_rows(batch: &RecordBatch, header: bool, to: &mut impl Write) -> Result<(), NodeError> {
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = if field.data_type().is_nested() || is_bytes(field.data_type()) {
            as_text(field.name(), column)?
        } else {
            column.clone()
        };
        fields.push(Field::new(field.name(), column.data_type().clone(), true));
        columns.push(column);
    }
    let flat = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    WriterBuilder::new()
        .with_header(header)
        .build(to)
        .write(&flat)?;
    Ok(())
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_)
    )
}

/// Each value as the JSON that `jsonl` would write.
fn as_text(name: &str, column: &ArrayRef) -> Result<ArrayRef, NodeError> {
    let one = RecordBatch::try_from_iter_with_nullable([(name, column.clone(), true)])?;
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write(&one)?;
    writer.finish()?;
    let text = writer.into_inner();
    let rows: Vec<serde_json::Map<String, serde_json::Value>> = if text.is_empty() {
        Vec::new()
    } else {
        serde_json::from_slice(&text).map_err(|e| NodeError::new(e.to_string()))?
    };
    let texts = rows.iter().map(|row| match row.get(name) {
        None | Some(serde_json::Value::Null) => None,
        Some(serde_json::Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    });
    Ok(Arc::new(texts.collect::<StringArray>()))
}
