//! Apache Parquet, all columns, zstd; fixed-size bytes (`key`) as bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::compute::concat_batches;
use polars::prelude::{ParquetCompression, ParquetWriter, PolarsError};
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Format, OutputContext};
use trommel_engine::table::CHUNK_ROWS;

use super::lock;
use crate::bridge::to_polars;

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

    fn write(&self, table: &Table, path: &Path) -> Result<(), NodeError> {
        let chunks = (0..table.chunks().len()).map(|chunk| Ok(table.batch(chunk)?));
        write(&table.schema(), chunks, BufWriter::new(File::create(path)?))
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<(String, Vec<u8>)>, NodeError> {
        lock::companion(context)
    }
}

/// A batch as a Parquet file.
pub fn parquet_bytes(batch: &RecordBatch) -> Result<Vec<u8>, NodeError> {
    let groups = (0..batch.num_rows()).step_by(GROUP_ROWS);
    let groups =
        groups.map(|start| Ok(batch.slice(start, GROUP_ROWS.min(batch.num_rows() - start))));
    let mut bytes = Vec::new();
    write(&batch.schema(), groups, &mut bytes)?;
    Ok(bytes)
}

fn write(
    schema: &Arc<Schema>,
    batches: impl Iterator<Item = Result<RecordBatch, NodeError>>,
    mut to: impl Write,
) -> Result<(), NodeError> {
    let fault = |e: PolarsError| NodeError::new(format!("cannot write as Parquet: {e}"));
    let empty = to_polars(&RecordBatch::new_empty(schema.clone()))?;
    let mut writer = ParquetWriter::new(&mut to)
        .with_compression(ParquetCompression::Zstd(None))
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
        if rows >= GROUP_ROWS {
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
    use crate::bridge::from_polars;

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
