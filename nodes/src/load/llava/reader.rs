//! Reads a `LLaVA` annotation file batch by batch. Nothing is dropped or repaired: a record that cannot be used ends the
//! reading, with an error that names it and the others found wrong.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::record::{Record, Refusal};
use super::split::{Split, SplitError};

/// Records of a batch: the rows of a table's chunk.
pub const BATCH: usize = 1024;
/// Bad records that one error names.
const NAMED: usize = 20;
const BUFFER: usize = 1 << 20;

/// Why an annotation file cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LlavaError {
    #[error("cannot read {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is empty; expected a JSON array of records, or one JSON record per line")]
    Empty { path: PathBuf },
    #[error(
        "{path} begins with {found:?}; expected a JSON array of records, or one JSON record per line"
    )]
    NotRecords { path: PathBuf, found: char },
    #[error("{path} has records that cannot be used:{}{}", List(.problems), if *.more { "\n  (reading stopped there; there may be more)" } else { "" })]
    Records {
        path: PathBuf,
        problems: Vec<Problem>,
        /// Whether reading stopped before the end of the file.
        more: bool,
    },
}

/// A record that cannot be used, or the place where the file breaks off.
#[derive(Debug, PartialEq)]
pub struct Problem {
    /// From 0, as `unique_idx`.
    pub record: u64,
    /// From 1.
    pub line: u64,
    pub reason: String,
}

/// A reader of records, in the order of the file.
pub struct LlavaReader<R> {
    path: PathBuf,
    split: Split<R>,
    /// Records read so far.
    count: u64,
}

impl LlavaReader<BufReader<File>> {
    pub fn open(path: &Path) -> Result<Self, LlavaError> {
        let file = File::open(path).map_err(|source| LlavaError::Io {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Self::new(path, BufReader::with_capacity(BUFFER, file)))
    }
}

impl<R: BufRead> LlavaReader<R> {
    /// Reads from anywhere; `path` is for messages.
    pub fn new(path: &Path, reader: R) -> Self {
        LlavaReader {
            path: path.to_path_buf(),
            split: Split::new(reader),
            count: 0,
        }
    }

    /// Up to [`BATCH`] records; none at the end of the file.
    pub fn next_batch(&mut self) -> Result<Option<Vec<Record>>, LlavaError> {
        let mut batch = Vec::new();
        let mut problems = Vec::new();
        // Behind a bad record the file is read on only to find more of them.
        while batch.len() < BATCH && problems.len() < NAMED {
            let piece = match self.split.next() {
                Ok(Some(piece)) => piece,
                Ok(None) => return self.end(batch, problems, false),
                Err(SplitError::Broken { line, reason }) => {
                    problems.push(self.problem(line, reason));
                    return self.end(batch, problems, true);
                }
                Err(error) => return Err(self.unreadable(error)),
            };
            let record = match String::from_utf8(piece.text) {
                Ok(text) => Record::parse(text, piece.line),
                Err(e) => Err(Refusal::Content {
                    reason: format!(
                        "it is not UTF-8 from byte {} of the record on",
                        e.utf8_error().valid_up_to()
                    ),
                }),
            };
            match record {
                Ok(record) if problems.is_empty() => batch.push(record),
                Ok(_) => {}
                Err(Refusal::Content { reason }) => problems.push(self.problem(piece.line, reason)),
                Err(Refusal::Syntax { line, reason }) => {
                    // Where a quote or bracket is missing, the cuts behind it fall in wrong places.
                    problems.push(self.problem(
                        piece.line + line,
                        format!("it is not JSON: {reason}, counted from its start"),
                    ));
                    return self.end(batch, problems, true);
                }
            }
            self.count += 1;
        }
        self.end(batch, problems, true)
    }

    fn end(
        &self,
        batch: Vec<Record>,
        problems: Vec<Problem>,
        more: bool,
    ) -> Result<Option<Vec<Record>>, LlavaError> {
        if !problems.is_empty() {
            return Err(LlavaError::Records {
                path: self.path.clone(),
                problems,
                more,
            });
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn problem(&self, line: u64, reason: String) -> Problem {
        Problem {
            record: self.count,
            line,
            reason,
        }
    }

    fn unreadable(&self, error: SplitError) -> LlavaError {
        let path = self.path.clone();
        match error {
            SplitError::Io(source) => LlavaError::Io { path, source },
            SplitError::NotRecords { found } => LlavaError::NotRecords { path, found },
            SplitError::Empty | SplitError::Broken { .. } => LlavaError::Empty { path },
        }
    }
}

struct List<'a>(&'a [Problem]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Problem {
            record,
            line,
            reason,
        } in self.0
        {
            write!(f, "\n  record {record} (line {line}): {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
