//! Reads Parquet files: one row per row, with the columns that the files have.
//!
//! All files must have the same columns. Text, numbers, truth values, times, bytes, lists and structs are taken over;
//! lists of f32 of one length are vectors. A column of paths of images is given as `image`, with absolute paths.
//! Columns called `key` or `unique_idx` are errors, since every table has these.
//!
//! The column of images may hold the images themselves: as bytes, or as Hugging Face's datasets have them, a struct of
//! `bytes` and `path` (where there are no bytes the path counts, else it is left out). Each distinct image becomes a file
//! of the cache, and the column holds its path. The port `images` names these files, so that an output with
//! `format: folder` writes them.
//!
//! ```yaml
//! instructions: { kind: load.parquet, path: ../data/part-*.parquet, image: file_name, images: ../data/images }
//! ```

use std::fs::File;

use arrow::datatypes::FieldRef;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use super::columnar::{self, Load, Opened};
use super::table_file::Config;

/// Bytes of a batch, as far as the file's own sizes tell.
const BATCH_BYTES: u64 = 64 << 20;

const HELP: &str = "is it a whole Parquet file?";

/// Parquet files.
pub struct Parquet;

impl Kind for Parquet {
    const NAME: &'static str = "load.parquet";
    const VERSION: u32 = 3;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        columnar::contract(config, contract);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Load {
            config: config.clone(),
            open,
            help: HELP,
        }))
    }
}

/// Row groups are not read as a whole: memory holds a page of each column, and a batch.
fn open(file: File) -> Result<Opened, String> {
    let words = |e: ParquetError| e.to_string();
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(words)?;
    let schema = metadata.schema().clone();
    // Equal texts are kept once, so that a part can be measured before each stands for itself.
    let shared = Schema::new(schema.fields().iter().map(shared).collect::<Vec<_>>());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(shared));
    let footer = metadata.metadata().clone();
    let metadata = ArrowReaderMetadata::try_new(footer, options).map_err(words)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let rows = batch_rows(builder.metadata());
    let reader = builder.with_batch_size(rows).build().map_err(words)?;
    Ok(Opened {
        schema,
        batches: Box::new(reader.map(|batch| batch.map_err(|e| e.to_string()))),
    })
}

fn shared(field: &FieldRef) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::List(item) => DataType::List(shared(item)),
        DataType::LargeList(item) => DataType::LargeList(shared(item)),
        DataType::FixedSizeList(item, width) => DataType::FixedSizeList(shared(item), *width),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(shared).collect()),
        other => other.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

/// Rows of a batch: fewer where rows are large, as those with images inside are.
fn batch_rows(metadata: &ParquetMetaData) -> usize {
    let mut most = 1;
    for group in metadata.row_groups() {
        let (bytes, rows) = (group.total_byte_size(), group.num_rows());
        most = most.max(bytes.max(0) as u64 / rows.max(1) as u64);
    }
    ((BATCH_BYTES / most) as usize).clamp(1, CHUNK_ROWS)
}

#[cfg(test)]
mod tests;
