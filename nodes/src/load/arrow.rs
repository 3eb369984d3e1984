//! Reads Arrow IPC files: one row per row, with the columns that the files have.
//!
//! Feather version 2 files, and streams as Hugging Face's datasets keep them; not packed ones. All files must have the same
//! columns. What becomes of types and of images is told for load.parquet. Columns called `key` or `unique_idx` are errors,
//! since every table has these.
//!
//! ```yaml
//! instructions: { kind: load.arrow, path: ../data/data-*.arrow, image: file_name, images: ../data/images }
//! ```

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use trommel_engine::node::prelude::*;

use super::columnar::{self, Load, Opened};
use super::table_file::Config;

/// What a file begins and ends with; a stream does not. In between stands a stream, and a footer that only finds parts of it.
const MARK: &[u8] = b"ARROW1";

/// The first mark is filled up with zeros to a multiple of this.
const ALIGNED: usize = 8;

/// Bytes that hold the first mark and the zeros.
const MOST_FILLED: u64 = 4096;

/// The length of the footer and the mark.
const TRAILER: u64 = 10;

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;

const HELP: &str = "it is to be a whole Arrow file, not packed; pyarrow packs none with compression='uncompressed'";

/// Arrow files.
pub struct Arrow;

impl Kind for Arrow {
    const NAME: &'static str = "load.arrow";
    const VERSION: u32 = 1;
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

/// The batches as they were written.
fn open(file: File) -> Result<Opened, String> {
    let stream = Stream::open(file).map_err(|e| e.to_string())?;
    let mut stream = stream.ok_or("it is cut off, or not an Arrow file")?;
    let first = stream.next().map_err(|e| in_words(&e))?;
    let schema = stream.decoder.schema().ok_or("it has no columns")?;
    let rest = std::iter::from_fn(move || stream.next().map_err(|e| in_words(&e)).transpose());
    Ok(Opened {
        schema,
        batches: Box::new(first.map(Ok).into_iter().chain(rest)),
    })
}

fn in_words(error: &ArrowError) -> String {
    match error {
        ArrowError::IpcError(words)
        | ArrowError::ParseError(words)
        | ArrowError::InvalidArgumentError(words) => words.clone(),
        other => other.to_string(),
    }
}

/// Reads a stream a piece at a time, so that lengths that it claims cost no memory.
struct Stream {
    file: io::Take<File>,
    decoder: StreamDecoder,
    piece: Buffer,
}

impl Stream {
    /// None where the file cannot be one.
    fn open(mut file: File) -> io::Result<Option<Self>> {
        let length = file.metadata()?.len();
        let mut first = Vec::new();
        Read::by_ref(&mut file)
            .take(MOST_FILLED)
            .read_to_end(&mut first)?;
        let mut range = (0, length);
        if let Some(rest) = first.strip_prefix(MARK) {
            let Some(end) = length.checked_sub(TRAILER) else {
                return Ok(None);
            };
            let filler = rest.iter().take_while(|byte| **byte == 0);
            let start = ((MARK.len() + filler.count()) / ALIGNED * ALIGNED) as u64;
            let mut trailer = [0; TRAILER as usize];
            file.seek(SeekFrom::Start(end))?;
            file.read_exact(&mut trailer)?;
            let (footer, mark) = trailer.split_at(4);
            let footer = footer.try_into().map_or(0, u32::from_le_bytes);
            let end = end.checked_sub(u64::from(footer));
            let Some(end) = end.filter(|end| *end >= start && mark == MARK) else {
                return Ok(None);
            };
            range = (start, end);
        }
        file.seek(SeekFrom::Start(range.0))?;
        Ok(Some(Self {
            file: file.take(range.1 - range.0),
            decoder: StreamDecoder::new(),
            piece: Buffer::default(),
        }))
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        loop {
            if self.piece.is_empty() {
                let mut piece = Vec::new();
                Read::by_ref(&mut self.file)
                    .take(PIECE)
                    .read_to_end(&mut piece)?;
                if piece.is_empty() {
                    return self.decoder.finish().map(|()| None);
                }
                self.piece = piece.into();
            }
            if let Some(batch) = self.decoder.decode(&mut self.piece)? {
                return Ok(Some(batch));
            }
        }
    }
}

#[cfg(test)]
mod tests;
