//! LLaVA annotations: the records as they stood in their file, one JSON array.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use trommel_engine::node::prelude::*;
use trommel_engine::node::{Companion, Content, Format, ImageNames, OutputContext};
use trommel_engine::table::strings;

use super::{beside, images};
use crate::load::llava::original::without_unique_idx;

/// Writes the `raw` column. Records are not parsed again: their bytes are those of the source file, but for
/// a `unique_idx`, which the published program adds to its files and leaves out of what it picks.
pub(super) struct Llava;

impl Format for Llava {
    fn name(&self) -> &'static str {
        "llava"
    }

    fn needs(&self) -> &'static [(&'static str, ColumnType)] {
        &[("raw", ColumnType::Text)]
    }

    fn image_names(&self, table: &Table) -> Result<ImageNames, NodeError> {
        images::names_of_records(table)
    }

    fn write(&self, content: &Content<'_>, path: &Path) -> Result<(), NodeError> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(b"[")?;
        let mut first = true;
        for array in content.table.arrays("raw")? {
            let records = strings(&array)?;
            for raw in records.iter().flatten() {
                file.write_all(if first { b"\n" } else { b",\n" })?;
                file.write_all(without_unique_idx(raw).as_bytes())?;
                first = false;
            }
        }
        file.write_all(if first { b"]\n" } else { b"\n]\n" })?;
        file.flush()?;
        Ok(())
    }

    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
        beside::companions(context)
    }
}
