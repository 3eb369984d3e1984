//! Arrow IPC: record batches in files that are read by memory map, and in messages.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::{FileDecoder, StreamReader, read_footer_length};
use arrow::ipc::root_as_footer;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use bytes::Bytes;

/// Writes one batch as an Arrow IPC file.
pub fn write_batch(to: impl Write, batch: &RecordBatch) -> Result<(), ArrowError> {
    let mut writer = FileWriter::try_new(BufWriter::new(to), &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    writer.into_inner()?.flush()?;
    Ok(())
}

/// One batch in an Arrow IPC file, mapped into memory on first use and shared by all of its columns.
pub struct StoredBatch {
    path: PathBuf,
    batch: OnceLock<RecordBatch>,
}

impl StoredBatch {
    pub fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            batch: OnceLock::new(),
        })
    }

    /// A batch that is in memory already and will be found at `path` too.
    pub fn loaded(path: PathBuf, batch: RecordBatch) -> Arc<Self> {
        Arc::new(Self {
            path,
            batch: OnceLock::from(batch),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn batch(&self) -> Result<&RecordBatch, ArrowError> {
        if let Some(batch) = self.batch.get() {
            return Ok(batch);
        }
        let batch = read_mapped(&self.path)?;
        Ok(self.batch.get_or_init(|| batch))
    }
}

fn read_mapped(path: &Path) -> Result<RecordBatch, ArrowError> {
    let broken = |what: &str| ArrowError::IpcError(format!("{}: {what}", path.display()));
    let bytes = map(path)?;
    let buffer = Buffer::from(bytes);
    let length = buffer.len();
    if length < 18 {
        return Err(broken("too short for an Arrow file"));
    }
    let trailer: [u8; 10] = buffer[length - 10..]
        .try_into()
        .map_err(|_| broken("no trailer"))?;
    let footer_length = read_footer_length(trailer)?;
    let start = (length - 10)
        .checked_sub(footer_length)
        .ok_or_else(|| broken("the footer is longer than the file"))?;
    let footer = root_as_footer(&buffer[start..length - 10])
        .map_err(|e| broken(&format!("unreadable footer: {e}")))?;
    let schema = try_fb_to_schema(footer.schema().ok_or_else(|| broken("no schema"))?)?;
    let decoder = FileDecoder::new(Arc::new(schema), footer.version());
    let blocks = footer
        .recordBatches()
        .ok_or_else(|| broken("no record batch"))?;
    if blocks.len() != 1 {
        return Err(broken("not exactly one record batch"));
    }
    let block = blocks.get(0);
    let (start, size) = (
        block.offset() as usize,
        block.metaDataLength() as usize + block.bodyLength() as usize,
    );
    if start.checked_add(size).is_none_or(|end| end > length) {
        return Err(broken("a block lies outside of the file"));
    }
    decoder
        .read_record_batch(block, &buffer.slice_with_length(start, size))?
        .ok_or_else(|| broken("an empty record batch"))
}

#[expect(
    unsafe_code,
    reason = "memory maps are how tables larger than memory are read"
)]
fn map(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    // SAFETY: objects of the cache are written once under another name, renamed into place and
    // never changed or truncated afterwards; removal keeps mapped pages alive.
    let map = unsafe { memmap2::Mmap::map(&file)? };
    Ok(Bytes::from_owner(map))
}

/// A batch as an Arrow IPC stream, for messages.
pub fn encode_stream(batch: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    writer.into_inner()
}

/// The one batch of an Arrow IPC stream; batches that a foreign writer has cut are put together.
pub fn decode_stream(bytes: impl Read) -> Result<RecordBatch, ArrowError> {
    let reader = StreamReader::try_new(bytes, None)?;
    let schema: SchemaRef = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    match batches.len() {
        0 => Ok(RecordBatch::new_empty(Arc::new(Schema::new(
            schema.fields().clone(),
        )))),
        1 => Ok(batches
            .into_iter()
            .next()
            .unwrap_or_else(|| RecordBatch::new_empty(schema))),
        _ => arrow::compute::concat_batches(&schema, &batches),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    fn sample() -> RecordBatch {
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("c")]));
        RecordBatch::try_from_iter([("name", names)]).unwrap()
    }

    #[test]
    fn file_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.arrow");
        write_batch(File::create(&path).unwrap(), &sample()).unwrap();
        let stored = StoredBatch::new(path.clone());
        assert_eq!(stored.batch().unwrap(), &sample());
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            let cut = folder.path().join("cut.arrow");
            std::fs::write(&cut, &whole[..length]).unwrap();
            assert!(StoredBatch::new(cut).batch().is_err(), "cut at {length}");
        }
    }

    #[test]
    fn stream_round_trip() {
        let bytes = encode_stream(&sample()).unwrap();
        assert_eq!(decode_stream(&bytes[..]).unwrap(), sample());
    }
}
