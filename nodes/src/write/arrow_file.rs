//! An Arrow IPC file (Feather version 2), all columns.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use arrow::ipc::writer::FileWriter;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Format, OutputContext};

use super::lock;

pub(super) struct ArrowFile;

impl Format for ArrowFile {
    fn name(&self) -> &'static str {
        "arrow"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        &[]
    }

    fn write(&self, table: &Table, path: &Path) -> Result<(), NodeError> {
        let mut writer = FileWriter::try_new(BufWriter::new(File::create(path)?), &table.schema())?;
        for chunk in 0..table.chunks().len() {
            writer.write(&table.batch(chunk)?)?;
        }
        writer.finish()?;
        Ok(())
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<(String, Vec<u8>)>, NodeError> {
        lock::companion(context)
    }
}
