//! One JSON object a line, all columns; lists as arrays, bytes as hex, nulls written.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Companion, Content, Format, ImageNames, OutputContext};

use super::{beside, images};

pub(super) struct Jsonl;

impl Format for Jsonl {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        &[]
    }

    fn image_names(&self, table: &Table) -> Result<ImageNames, NodeError> {
        images::image_names(table)
    }

    fn write(&self, content: &Content<'_>, path: &Path) -> Result<(), NodeError> {
        let file = BufWriter::new(File::create(path)?);
        let mut writer = WriterBuilder::new()
            .with_explicit_nulls(true)
            .build::<_, LineDelimited>(file);
        for batch in images::batches(content) {
            writer.write(&batch?)?;
        }
        writer.finish()?;
        writer.into_inner().flush()?;
        Ok(())
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
        beside::companions(context)
    }
}
