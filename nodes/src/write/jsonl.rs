//! One JSON object a line, all columns; lists as arrays, bytes as hex, nulls written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Format, OutputContext};

use super::lock;

pub(super) struct Jsonl;

impl Format for Jsonl {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        &[]
    }

    fn write(&self, table: &Table, path: &Path) -> Result<(), NodeError> {
        let file = BufWriter::new(File::create(path)?);
        let mut writer = WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, LineDelimited>(file);
        for chunk in 0..table.chunks().len() {
            writer.write(&table.batch(chunk)?)?;
        }
        writer.finish()?;
        writer.into_inner().flush()?;
        Ok(())
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<(String, Vec<u8>)>, NodeError> {
        lock::companion(context)
    }
}
