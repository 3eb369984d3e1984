//! Reads CSV files: one row per record, with the columns that the first line names.
//!
//! A column's type is the narrowest that holds its values in all files: true and false, whole numbers (i64), numbers
//! (f64), else text. Numbers are written as in JSON; others stay text, so `007` keeps its zeros. An empty field is null.
//! Fields may stand in double quotes, and then hold commas, line ends, and quotes written twice. Empty lines are passed
//! over (a single empty field is written `""`). All files have the same
//! first line. Files may be packed by gzip or zstd. A column of paths of images is given as `image`, with absolute
//! paths. Columns called `key` or `unique_idx` are errors, since every table has these.
//!
//! ```yaml
//! instructions: { kind: load.csv, path: ../data/captions-*.csv, image: file_name, images: ../data/images }
//! ```

use std::path::{Path, PathBuf};

use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use self::records::{Fault, Records};
use self::types::Type;
use super::open::{self, Room};
use super::table_file::{self, Config, Rows};

mod records;
mod types;

/// CSV files.
pub struct Csv;

impl Kind for Csv {
    const NAME: &'static str = "load.csv";
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
        let (names, types) = columns(&files, context)?;
        let fields = names.iter().zip(&types);
        let schema: Vec<Field> = fields
            .map(|(name, ty)| Field::new(name, ty.data_type(), true))
            .collect();
        let schema = Arc::new(Schema::new(schema));
        let mut rows = Rows::new(&self.config, &files[0])?;
        let mut read = 0;
        for (number, file) in files.iter().enumerate() {
            let mut content = File::open(file)?;
            loop {
                context.check_cancelled()?;
                let (columns, texts) = content.some_records(names.len())?;
                // A table without rows still has its columns.
                if texts.is_empty() && (number, read) != (0, 0) {
                    break;
                }
                read += texts.len() as u64;
                let arrays = types.iter().zip(columns).map(|(ty, c)| ty.array(c));
                let batch = RecordBatch::try_new(schema.clone(), arrays.collect())?;
                rows.push(file, &batch, texts.iter().map(Vec::as_slice), outputs)?;
                context.progress(read, None, "rows");
                if texts.is_empty() {
                    break;
                }
            }
        }
        rows.finish(context)
    }
}

/// Names and types of the columns of all files.
fn columns(
    files: &[PathBuf],
    context: &Context<'_>,
) -> Result<(Vec<String>, Vec<Type>), NodeError> {
    let mut first: Option<(Vec<String>, Vec<Type>)> = None;
    for file in files {
        let mut content = File::open(file)?;
        let (names, types) = first.get_or_insert_with(|| {
            let types = vec![Type::default(); content.names.len()];
            (content.names.clone(), types)
        });
        if *names != content.names {
            return Err(NodeError::new(format!(
                "{} has other columns than {}: {} where the first has {}",
                file.display(),
                files[0].display(),
                content.names.join(", "),
                names.join(", ")
            ))
            .help("read files of different columns with a node each"));
        }
        let mut count = 0_usize;
        while content.next()?.is_some() {
            for (ty, value) in types.iter_mut().zip(content.records.fields()) {
                ty.add(value);
            }
            if count.is_multiple_of(CHUNK_ROWS) {
                context.check_cancelled()?;
            }
            count += 1;
        }
    }
    Ok(first.unwrap_or_default())
}

/// A file whose first line has been read.
struct File {
    path: PathBuf,
    names: Vec<String>,
    records: Records,
}

impl File {
    fn open(path: &Path) -> Result<Self, NodeError> {
        let mut file = Self {
            path: path.to_owned(),
            names: Vec::new(),
            records: Records::new(open::open(path)?),
        };
        let fault = |reason: String| {
            Err(NodeError::new(format!("{}: {reason}", path.display()))
                .help("the first line holds the names of the columns"))
        };
        if file.records.next().map_err(|f| file.at(f))?.is_none() {
            return fault("the file is empty".to_owned());
        }
        let names: Vec<String> = file.records.fields().map(str::to_owned).collect();
        for (place, name) in names.iter().enumerate() {
            if name.is_empty() {
                return fault(format!("column {} has no name", place + 1));
            }
            if names[..place].contains(name) {
                return fault(format!("two columns are named `{name}`"));
            }
        }
        table_file::check_names(path, names.iter().map(String::as_str))?;
        file.names = names;
        Ok(file)
    }

    /// Reads a record; the line on which it begins, none at the end of the file.
    fn next(&mut self) -> Result<Option<u64>, NodeError> {
        let line = self.records.next().map_err(|fault| self.at(fault))?;
        let (found, expected) = (self.records.fields().count(), self.names.len());
        if let Some(line) = line
            && found != expected
        {
            let reason = format!(
                "the record has {found} fields where the first line names {expected} columns"
            );
            let help = "a field that holds a comma, a quote or a line end stands in double quotes";
            return Err(self.at(Fault { line, reason }).help(help));
        }
        Ok(line)
    }

    /// The values of the next chunk, column by column (none for an empty field), and the text of each record.
    #[expect(clippy::type_complexity, reason = "told above")]
    fn some_records(
        &mut self,
        columns: usize,
    ) -> Result<(Vec<Vec<Option<String>>>, Vec<Vec<u8>>), NodeError> {
        let mut values = vec![Vec::new(); columns];
        let (mut texts, mut room) = (Vec::new(), Room::default());
        while texts.len() < CHUNK_ROWS {
            let Some(line) = self.next()? else { break };
            let text = self.records.text().to_owned();
            room.take(text.len())
                .map_err(|reason| self.at(Fault { line, reason }))?;
            texts.push(text);
            for (column, value) in values.iter_mut().zip(self.records.fields()) {
                column.push((!value.is_empty()).then(|| value.to_owned()));
            }
        }
        Ok((values, texts))
    }

    fn at(&self, fault: Fault) -> NodeError {
        let Fault { line, reason } = fault;
        NodeError::new(format!("{}, line {line}: {reason}", self.path.display()))
    }
}

#[cfg(test)]
mod tests;
