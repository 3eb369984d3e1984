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
use std::path::Path;

use arrow::json::LineDelimitedWriter;
use polars::prelude::{ParquetReader, PolarsError, SerReader};
use trommel_engine::node::IMAGE;
use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use super::image_bytes::{self, ImageBytes};
use super::table_file::{self, Config, Rows};
use super::with_causes;
use crate::bridge::{BridgeError, caught, check_schema, from_polars};

/// Parquet files.
pub struct Parquet;

impl Kind for Parquet {
    const NAME: &'static str = "load.parquet";
    const VERSION: u32 = 2;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        table_file::contract(config, contract);
        contract.port_of_files(image_bytes::PORT);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Load {
            config: config.clone(),
        }))
    }
}

struct Load {
    config: Config,
}

impl TableNode for Load {
    fn table(
        &mut self,
        _: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let files = table_file::files(&self.config)?;
        let mut rows = Rows::new(&self.config, &files[0])?;
        let mut schema = None;
        let mut images = ImageBytes::default();
        let mut read = 0;
        for file in &files {
            let mut of_file = 0;
            for batch in batches(file)? {
                context.check_cancelled()?;
                let batch = batch?;
                let first = schema.get_or_insert_with(|| batch.schema());
                if *first != batch.schema() {
                    return Err(differs(file, &files[0], first, batch.schema_ref()));
                }
                let count = batch.num_rows();
                read += count as u64;
                for start in (0..count.max(1)).step_by(CHUNK_ROWS) {
                    let part = batch.slice(start, CHUNK_ROWS.min(count - start));
                    let column = self.config.image.as_deref().unwrap_or(IMAGE);
                    let (named, part) = images
                        .take_from(part, column, outputs, context)
                        .map_err(|(row, e)| at_row(file, of_file + start + row, e))?;
                    push(&mut rows, file, &named, &part, outputs)?;
                }
                of_file += count;
                context.progress(read, None, "rows");
            }
        }
        rows.finish(context)
    }
}

/// The row groups of a file, one by one: at least one batch, though it may have no rows.
fn batches(file: &Path) -> Result<impl Iterator<Item = Result<RecordBatch, NodeError>>, NodeError> {
    let fault = move |e: PolarsError| {
        NodeError::new(format!("{}: {e}", file.display())).help("is it a whole Parquet file?")
    };
    let open = move || {
        let opened = File::open(file);
        opened.map_err(|e| NodeError::new(format!("cannot read {}: {e}", file.display())))
    };
    let mut reader = ParquetReader::new(open()?);
    let metadata = caught(|| reader.get_metadata().cloned()).map_err(fault)?;
    let schema = caught(|| reader.schema()).map_err(fault)?;
    let unusable = move |e: BridgeError| {
        NodeError::new(format!("{}: {}", file.display(), with_causes(&e)))
            .help("write the column as another type, or leave it out")
    };
    check_schema(&schema).map_err(unusable)?;
    table_file::check_names(file, schema.iter_names().map(AsRef::as_ref))?;
    let mut groups = Vec::with_capacity(metadata.row_groups.len());
    for group in &metadata.row_groups {
        groups.push(group.num_rows());
    }
    if groups.is_empty() {
        groups.push(0);
    }
    let mut start = 0;
    Ok(groups.into_iter().map(move |count| {
        let mut reader = ParquetReader::new(open()?).with_slice(Some((start, count)));
        reader.set_metadata(metadata.clone());
        start += count;
        let frame = caught(|| reader.finish()).map_err(fault)?;
        from_polars(&frame).map_err(unusable)
    }))
}

/// A row's key comes from the JSON of what names it, which holds no nulls: a column that is added without values changes
/// no key.
fn push(
    rows: &mut Rows,
    file: &Path,
    named: &RecordBatch,
    part: &RecordBatch,
    outputs: &mut dyn Outputs,
) -> Result<(), NodeError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(named)?;
    writer.finish()?;
    let text = writer.into_inner();
    rows.push(file, part, text.split(|byte| *byte == b'\n'), outputs)
}

fn at_row(file: &Path, row: usize, error: NodeError) -> NodeError {
    NodeError {
        message: format!("{}, row {row}: {}", file.display(), error.message),
        ..error
    }
}

fn differs(file: &Path, first: &Path, expected: &Schema, found: &Schema) -> NodeError {
    let missing = |from: &Schema, of: &Schema| -> Vec<String> {
        let fields = from
            .fields()
            .iter()
            .filter(|f| !of.fields().iter().any(|g| g == *f));
        fields
            .map(|f| format!("{} ({})", f.name(), f.data_type()))
            .collect()
    };
    let (here, there) = (missing(found, expected), missing(expected, found));
    let what = if here.is_empty() && there.is_empty() {
        "the same columns in another order".to_owned()
    } else {
        let or_none = |names: Vec<String>| {
            if names.is_empty() {
                "nothing".to_owned()
            } else {
                names.join(", ")
            }
        };
        format!("{} where the first has {}", or_none(here), or_none(there))
    };
    NodeError::new(format!(
        "{} has other columns than {}: {what}",
        file.display(),
        first.display()
    ))
    .help("read files of different columns with a node each")
}

#[cfg(test)]
mod tests;
