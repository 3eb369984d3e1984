//! Apache Parquet, all columns, zstd; fixed-size bytes (`key`) as bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::compute::cast;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{
    Companion, Content, Format, IMAGE, ImageNames, ImageUse, OutputContext,
};
use trommel_engine::table::CHUNK_ROWS;

use super::embedded::{self, Groups};
use super::{beside, images};

/// Rows of a row group: a reader skips and spreads whole groups, and memory holds one, encoded, at a time.
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
                write(&schema, Groups::of(content), None, to)
            }
            (Some(_), Some(_)) => {
                let schema = images::schema_with_image(&schema, &DataType::Utf8);
                write(&schema, images::batches(content), Some(GROUP_ROWS), to)
            }
            (None, _) => write(&schema, images::batches(content), Some(GROUP_ROWS), to),
        }
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
        beside::companions(context)
    }
}

/// A batch as a Parquet file.
pub fn parquet_bytes(batch: &RecordBatch) -> Result<Vec<u8>, NodeError> {
    let mut bytes = Vec::new();
    write(
        &batch.schema(),
        [Ok(batch.clone())].into_iter(),
        Some(GROUP_ROWS),
        &mut bytes,
    )?;
    Ok(bytes)
}

/// Batches as a Parquet file, whose row groups end when they have `group_rows` rows, or with each batch.
fn write(
    schema: &Schema,
    batches: impl Iterator<Item = Result<RecordBatch, NodeError>>,
    group_rows: Option<usize>,
    mut to: impl Write + Send,
) -> Result<(), NodeError> {
    let fault = |e: ParquetError| NodeError::new(format!("cannot write as Parquet: {e}"));
    let schema = Arc::new(bytes_of_any_length(schema));
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(group_rows)
        .build();
    let mut writer =
        ArrowWriter::try_new(&mut to, with_features(&schema), Some(properties)).map_err(fault)?;
    for batch in batches {
        let batch = batch?;
        let columns = batch.columns().iter().zip(schema.fields());
        let columns: Result<_, _> = columns
            .map(|(column, field)| cast(column, field.data_type()))
            .collect();
        let batch = RecordBatch::try_new(schema.clone(), columns?)?;
        writer.write(&batch).map_err(fault)?;
        if group_rows.is_none() {
            writer.flush().map_err(fault)?;
        }
    }
    writer.close().map_err(fault)?;
    to.flush()?;
    Ok(())
}

/// For `datasets`: which column holds images.
fn with_features(schema: &Arc<Schema>) -> Arc<Schema> {
    let image = schema.field_with_name(IMAGE).map(Field::data_type);
    if image.is_ok_and(|image| *image == embedded::image_type()) {
        let (key, value) = (embedded::FEATURES[0], embedded::FEATURES[1]);
        let features = HashMap::from([(key.to_owned(), value.to_owned())]);
        return Arc::new(Schema::clone(schema).with_metadata(features));
    }
    schema.clone()
}

/// Few readers know bytes of a fixed length.
fn bytes_of_any_length(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::FixedSizeBinary(_) => {
            Field::new(field.name(), DataType::Binary, field.is_nullable())
        }
        _ => field.as_ref().clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use arrow::array::{StringArray, UInt64Array};
    use arrow::compute::concat_batches;
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::metadata::RowGroupMetaData;

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
            let bytes = Bytes::from(parquet_bytes(&batch(rows)).unwrap());
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
            let groups = reader.metadata().row_groups().iter();
            let groups: Vec<i64> = groups.map(RowGroupMetaData::num_rows).collect();
            assert_eq!(groups.len(), rows.div_ceil(GROUP_ROWS));
            assert!(groups.iter().all(|&g| g <= GROUP_ROWS as i64));
            let read: Result<Vec<_>, _> = reader.build().unwrap().collect();
            let schema = batch(0).schema();
            assert_eq!(
                concat_batches(&schema, &read.unwrap()).unwrap(),
                batch(rows)
            );
        }
    }
}
