//! Reads JSON lines: one row per line, one column per key of the objects.
//!
//! A column's type is that of its values in all lines: text, whole numbers (i64), numbers (f64), true and false, lists
//! and objects of these; null where a line lacks the key. Values that do not go together (text and numbers) are errors
//! that name the line. Files may be packed by gzip or zstd. A column of paths of images is given as `image`, with absolute paths. Keys called `key` or
//! `unique_idx` are errors, since every table has these columns.
//!
//! ```yaml
//! instructions: { kind: load.jsonl, path: ../data/captions.jsonl, image: file_name, images: ../data/images }
//! ```

use std::path::{Path, PathBuf};

use arrow::json::ReaderBuilder;
use serde_json::Value as Json;
use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use self::types::Type;
use super::open::{self, Opened, Room};
use super::table_file::{self, Config, Rows};

mod types;

/// JSON lines.
pub struct Jsonl;

impl Kind for Jsonl {
    const NAME: &'static str = "load.jsonl";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        table_file::contract(config, contract);
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
        // Once for the types, once for the values: no file need fit into memory.
        let schema = schema(&files, context)?;
        let mut rows = Rows::new(&self.config, &files[0])?;
        let mut pushed = false;
        let mut read = 0;
        for file in &files {
            let mut lines = Lines::open(file)?;
            loop {
                context.check_cancelled()?;
                let records = some_records(&mut lines)?;
                // A table without rows still has its columns.
                if records.is_empty() && pushed {
                    break;
                }
                pushed = true;
                read += records.len() as u64;
                let texts: Vec<String> = records.iter().map(ToString::to_string).collect();
                let columns = columns(&records, &schema, file)?;
                rows.push(file, &columns, texts.iter().map(String::as_bytes), outputs)?;
                context.progress(read, None, "rows");
            }
        }
        rows.finish(context)
    }
}

/// The records of the next chunk.
fn some_records(lines: &mut Lines) -> Result<Vec<Json>, NodeError> {
    let (mut records, mut room) = (Vec::new(), Room::default());
    while records.len() < CHUNK_ROWS {
        let Some(line) = lines.next() else { break };
        let (number, record) = line?;
        room.take(lines.line.len())
            .map_err(|reason| at_line(&lines.file, number, reason))?;
        records.push(record);
    }
    Ok(records)
}

fn schema(files: &[PathBuf], context: &Context<'_>) -> Result<Arc<Schema>, NodeError> {
    let mut all = Type::default();
    for file in files {
        for line in Lines::open(file)? {
            let (number, record) = line?;
            if number.is_multiple_of(CHUNK_ROWS) {
                context.check_cancelled()?;
            }
            let fault = |reason| at_line(file, number, reason);
            if let Json::Object(fields) = &record {
                table_file::check_names(file, fields.keys().map(String::as_str))?;
            }
            all.add(&record, &mut Vec::new()).map_err(fault)?;
        }
    }
    Ok(Arc::new(Schema::new(all.into_fields())))
}

fn columns(records: &[Json], schema: &Arc<Schema>, file: &Path) -> Result<RecordBatch, NodeError> {
    let fault = |e| NodeError::new(format!("{}: {e}", file.display()));
    if records.is_empty() {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    let mut decoder = ReaderBuilder::new(schema.clone())
        .with_batch_size(records.len())
        .build_decoder()
        .map_err(fault)?;
    decoder.serialize(records).map_err(fault)?;
    let batch = decoder.flush().map_err(fault)?;
    batch.ok_or_else(|| NodeError::new(format!("{}: no rows were read", file.display())))
}

fn at_line(file: &Path, line: usize, reason: impl std::fmt::Display) -> NodeError {
    NodeError::new(format!("{}, line {line}: {reason}", file.display()))
}

/// The objects of a file with the numbers of their lines (from 1); empty lines are passed over.
struct Lines {
    file: PathBuf,
    from: Opened,
    number: usize,
    line: Vec<u8>,
}

impl Lines {
    fn open(file: &Path) -> Result<Self, NodeError> {
        Ok(Self {
            file: file.to_owned(),
            from: open::open(file)?,
            number: 0,
            line: Vec::new(),
        })
    }

    fn object(&self) -> Result<Json, NodeError> {
        let fault = |reason: &str| at_line(&self.file, self.number, reason);
        match serde_json::from_slice(self.line.trim_ascii_end()) {
            Ok(object @ Json::Object(_)) => Ok(object),
            Ok(_) => Err(fault("not a JSON object").help("each line is an object, { ... }")),
            Err(e) => {
                // The error's own line is one of this line.
                let reason = e.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default();
                let error = fault(&format!("not JSON: {reason}, column {}", e.column()));
                Err(error.help("each line is one whole JSON object; load.llava reads JSON arrays"))
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Result<(usize, Json), NodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line.clear();
            self.number += 1;
            match open::read_line(&mut self.from, &mut self.line) {
                Ok(0) => return None,
                Ok(_) if self.line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(self.object().map(|object| (self.number, object))),
                Err(e) => return Some(Err(at_line(&self.file, self.number, e))),
            }
        }
    }
}

#[cfg(test)]
mod tests;
