//! Apache Parquet, all columns, zstd; fixed-size bytes (`key`) as bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::compute::concat_batches;
use arrow::ipc::writer::StreamWriter;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use polars::prelude::{
    DataFrame, KeyValueMetadata, ParquetCompression, ParquetWriter, PolarsError,
};
use trommel_engine::node::prelude::*;
use trommel_engine::node::{
    Companion, Content, Format, IMAGE, ImageNames, ImageUse, OutputContext,
};
use trommel_engine::table::CHUNK_ROWS;

use super::embedded::{self, Groups};
use super::{beside, images};
use crate::bridge::{from_polars, to_polars};

/// Rows of a row group: a reader skips and spreads whole groups, and memory holds one at a time.
const GROUP_ROWS: usize = 16 * CHUNK_ROWS;

pub(super) struct Parquet;

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        &[]
    }

    fn images(&self) -> &'static [ImageUse] {
        &[
            ImageUse::None,
            ImageUse::Copy,
            ImageUse::Link,
            ImageUse::Embed,
        ]
    }

    fn image_names(&self, table: &Table) -> Result<ImageNames, NodeError> {
        images::image_names(table)
    }

    fn write(&self, content: &Content<'_>, path: &Path) -> Result<(), NodeError> {
        let to = BufWriter::new(File::create(path)?);
        let schema = content.table.schema();
        match (content.images, content.image_folder) {
            (Some(_), None) => {
                let schema = images::schema_with_image(&schema, &embedded::image_type());
                write(&Arc::new(schema), Groups::of(content), 1, to)
            }
            (Some(_), Some(_)) => {
                let schema = images::schema_with_image(&schema, &DataType::Utf8);
                write(&Arc::new(schema), images::batches(content), GROUP_ROWS, to)
            }
            (None, _) => write(&schema, images::batches(content), GROUP_ROWS, to),
        }
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
        beside::companions(context)
    }
}

/// A batch as a Parquet file.
pub fn parquet_bytes(batch: &RecordBatch) -> Result<Vec<u8>, NodeError> {
    let groups = (0..batch.num_rows()).step_by(GROUP_ROWS);
    let groups =
        groups.map(|start| Ok(batch.slice(start, GROUP_ROWS.min(batch.num_rows() - start))));
    let mut bytes = Vec::new();
    write(&batch.schema(), groups, GROUP_ROWS, &mut bytes)?;
    Ok(bytes)
}

/// What stands in the file beside the values: its Arrow types as tables have them, where polars would name views, which fewer
/// readers know; and, for `datasets`, which column holds images.
fn metadata(empty: &DataFrame) -> Result<KeyValueMetadata, NodeError> {
    let schema = from_polars(empty)?.schema();
    let image = schema.field_with_name(IMAGE).map(Field::data_type);
    let features = image.is_ok_and(|image| *image == embedded::image_type());
    let features = features.then(|| embedded::FEATURES.map(ToOwned::to_owned).into());
    let features: HashMap<String, String> = features.into_iter().collect();
    let schema = Schema::clone(&schema).with_metadata(features);
    let mut message = Vec::new();
    StreamWriter::try_new(&mut message, &schema)?;
    let entry = ("ARROW:schema".to_owned(), BASE64_STANDARD.encode(message));
    Ok(KeyValueMetadata::from_static(vec![entry]))
}

/// Batches as a Parquet file, whose row groups end when they have `group_rows` rows.
fn write(
    schema: &Arc<Schema>,
    batches: impl Iterator<Item = Result<RecordBatch, NodeError>>,
    group_rows: usize,
    mut to: impl Write,
) -> Result<(), NodeError> {
    let fault = |e: PolarsError| NodeError::new(format!("cannot write as Parquet: {e}"));
    let empty = to_polars(&RecordBatch::new_empty(schema.clone()))?;
    let mut writer = ParquetWriter::new(&mut to)
        .with_compression(ParquetCompression::Zstd(None))
        .with_key_value_metadata(Some(metadata(&empty)?))
        .batched(empty.schema())
        .map_err(fault)?;
    let mut group = |batches: &mut Vec<RecordBatch>| {
        let frame = to_polars(&concat_batches(schema, batches.iter())?)?;
        batches.clear();
        writer.write_batch(&frame).map_err(fault)
    };
    let (mut waiting, mut rows) = (Vec::new(), 0);
    for batch in batches {
        let batch = batch?;
        rows += batch.num_rows();
        waiting.push(batch);
        if rows >= group_rows {
            group(&mut waiting)?;
            rows = 0;
        }
    }
    if rows > 0 {
        group(&mut waiting)?;
    }
    writer.finish().map_err(fault)?;
    drop(writer);
    to.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow::array::{StringArray, UInt64Array};
    use polars::prelude::{ParquetReader, SerReader};

    use super::*;

    fn batch(rows: usize) -> RecordBatch {
        let numbers = UInt64Array::from_iter_values(0..rows as u64);
        let texts: StringArray = (0..rows)
            .map(|i| (i % 3 > 0).then(|| i.to_string()))
            .collect();
        let columns: [(_, ArrayRef, _); 2] = [
            ("unique_idx", Arc::new(numbers), true),
            ("text", Arc::new(texts), true),
        ];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    #[test]
    fn a_file_is_read_as_it_was_written_in_bounded_groups() {
        for rows in [0, 5, GROUP_ROWS, 2 * GROUP_ROWS + 1] {
            let bytes = parquet_bytes(&batch(rows)).unwrap();
            let mut reader = ParquetReader::new(Cursor::new(bytes));
            let mut groups = Vec::new();
            for group in &reader.get_metadata().unwrap().row_groups {
                groups.push(group.num_rows());
            }
            assert_eq!(groups.len(), rows.div_ceil(GROUP_ROWS));
            assert!(groups.iter().all(|&g| g <= GROUP_ROWS));
            assert_eq!(from_polars(&reader.finish().unwrap()).unwrap(), batch(rows));
        }
    }
}
