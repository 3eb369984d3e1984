//! Reads a `LLaVA` annotation file batch by batch. Nothing is dropped or repaired: a record that cannot be used ends the
//! reading, with an error that names it and the others found wrong.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::{fmt, iter};

use arrow::array::StringArray;
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::error::ArrowError;

use super::record::{Record, Refusal};
use super::split::{Split, SplitError};
use crate::load::open::Room;

/// Records of a batch: the rows of a table's chunk.
pub const BATCH: usize = 1024;
/// Bad records that one error names.
const NAMED: usize = 20;

/// Why an annotation file cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LlavaError {
    #[error("cannot read {path}, record {record}")]
    Read {
        path: PathBuf,
        /// From 0.
        record: u64,
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

/// Cuts a file into batches of records' texts, in the order of the file.
pub struct LlavaReader<R> {
    split: Split<R>,
    /// Records read so far.
    count: u64,
    ended: bool,
}

impl<R: BufRead> LlavaReader<R> {
    pub fn new(reader: R) -> Self {
        LlavaReader {
            split: Split::new(reader),
            count: 0,
            ended: false,
        }
    }

    /// Up to [`BATCH`] records, about `bytes` long together; none behind the end of the file.
    pub fn next_batch(&mut self, bytes: usize) -> Option<Batch> {
        if self.ended {
            return None;
        }
        let mut batch = Batch {
            text: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(BATCH),
            lines: Vec::with_capacity(BATCH),
            first: self.count,
            last: false,
            broken: None,
        };
        let mut room = Room::default();
        while batch.len() < BATCH {
            let start = batch.text.len();
            let read = self.split.next(&mut batch.text).and_then(|line| {
                if let Some(line) = line {
                    let taken = room.take(batch.text.len() - start);
                    taken.map_err(|reason| SplitError::Broken { line, reason })?;
                }
                Ok(line)
            });
            match read {
                Ok(Some(line)) => {
                    batch.ends.push(batch.text.len());
                    batch.lines.push(line);
                    self.count += 1;
                    continue;
                }
                Ok(None) => {}
                Err(error) => batch.broken = Some(error),
            }
            (self.ended, batch.last) = (true, true);
            break;
        }
        Some(batch).filter(|batch| batch.len() > 0 || batch.broken.is_some())
    }
}

/// The texts of records, one behind the other.
pub struct Batch {
    text: Vec<u8>,
    /// Where each text ends.
    ends: Vec<usize>,
    lines: Vec<u64>,
    /// The number of the first record, from 0.
    first: u64,
    /// Whether nothing of the file lies behind them.
    last: bool,
    /// Why the file cannot be read behind them.
    broken: Option<SplitError>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let starts = iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends);
        ranges.map(|(start, &end)| &self.text[start..end])
    }

    /// Gives each record to `take`, which says if it cannot be used. After a bad one the others are looked at only to find
    /// more of them; `path` is for messages.
    pub fn records(
        &mut self,
        path: &Path,
        mut take: impl FnMut(&Record<'_>) -> Result<(), String>,
    ) -> Result<(), LlavaError> {
        let (mut problems, mut broken) = (Vec::new(), self.broken.take());
        let mut more = !self.last;
        for (record, (text, &line)) in (self.first..).zip(self.texts().zip(&self.lines)) {
            let parsed = match std::str::from_utf8(text) {
                Ok(text) => Record::parse(text).and_then(|record| {
                    if problems.is_empty() {
                        take(&record).map_err(|reason| Refusal::Content { reason })?;
                    }
                    Ok(())
                }),
                Err(e) => Err(Refusal::Content {
                    reason: format!(
                        "it is not UTF-8 from byte {} of the record on",
                        e.valid_up_to()
                    ),
                }),
            };
            let (line, reason, lost) = match parsed {
                Ok(()) => continue,
                Err(Refusal::Content { reason }) => (line, reason, false),
                Err(Refusal::Syntax {
                    line: within,
                    reason,
                }) => {
                    let reason = format!("it is not JSON: {reason}, counted from its start");
                    (line + within, reason, true)
                }
            };
            problems.push(Problem {
                record,
                line,
                reason,
            });
            // Where a quote or bracket is missing, the cuts behind it fall in wrong places.
            if lost || problems.len() == NAMED {
                more = true;
                broken = None;
                break;
            }
        }
        let path = path.to_path_buf();
        let record = self.first + self.len() as u64;
        match broken {
            None => {}
            Some(SplitError::Broken { line, reason }) => {
                more = true;
                problems.push(Problem {
                    record,
                    line,
                    reason,
                });
            }
            Some(_) if !problems.is_empty() => more = true,
            Some(SplitError::Io(source)) => {
                return Err(LlavaError::Read {
                    path,
                    record,
                    source,
                });
            }
            Some(SplitError::NotRecords { found }) => {
                return Err(LlavaError::NotRecords { path, found });
            }
            Some(SplitError::Empty) => return Err(LlavaError::Empty { path }),
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(LlavaError::Records {
            path,
            problems,
            more,
        })
    }

    /// All texts as a column.
    pub fn into_column(self) -> Result<StringArray, ArrowError> {
        let mut start = 0;
        let lengths = self.ends.iter().map(|&end| {
            let length = end - start;
            start = end;
            length
        });
        let offsets = OffsetBuffer::from_lengths(lengths);
        StringArray::try_new(offsets, Buffer::from_vec(self.text), None)
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
