//! An Arrow IPC file of one record batch, mapped into memory and decoded column by column.

use std::fs::File;
use std::io;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::Buffer;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{Block, MetadataVersion, root_as_footer, root_as_message};
use bytes::Bytes;

/// Footer length and closing mark.
const TRAILER: usize = 10;

/// Stands before a message, followed by its length.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// Nothing of it is trusted: what is out of its bounds is an error.
pub(super) struct MappedBatch {
    schema: SchemaRef,
    version: MetadataVersion,
    block: Block,
    /// The message and what it describes.
    bytes: Buffer,
    rows: usize,
}

impl MappedBatch {
    pub(super) fn open(file: &File) -> Result<Self, ArrowError> {
        let bytes = Buffer::from(map(file)?);
        caught(|| Self::read(&bytes))
    }

    fn read(file: &Buffer) -> Result<Self, ArrowError> {
        let end = file
            .len()
            .checked_sub(TRAILER)
            .ok_or_else(|| broken("too short for an Arrow file"))?;
        let trailer = file[end..].try_into().map_err(|_| broken("no trailer"))?;
        let start = end
            .checked_sub(read_footer_length(trailer)?)
            .ok_or_else(|| broken("the footer is longer than the file"))?;
        let footer = root_as_footer(&file[start..end])
            .map_err(|e| broken(&format!("unreadable footer: {e}")))?;
        let schema = try_fb_to_schema(footer.schema().ok_or_else(|| broken("no schema"))?)?;
        let block = match footer.recordBatches() {
            Some(blocks) if blocks.len() == 1 => *blocks.get(0),
            _ => return Err(broken("not exactly one record batch")),
        };
        let (at, head, body) = (block.offset(), block.metaDataLength(), block.bodyLength());
        let place = usize::try_from(at).ok().zip(usize::try_from(head).ok());
        let block_fits = place
            .zip(usize::try_from(body).ok())
            .and_then(|((at, head), body)| Some((at, head, head.checked_add(body)?)))
            .filter(|(at, _, size)| at.checked_add(*size).is_some_and(|to| to <= start));
        let Some((at, head, size)) = block_fits else {
            return Err(broken("a block lies outside of the file"));
        };
        let bytes = file.slice_with_length(at, size);
        let rows = checked_rows(&bytes[..head], size - head)?;
        Ok(Self {
            // What is said of the schema as a whole is nobody's content.
            schema: Arc::new(Schema::new(schema.fields().clone())),
            version: footer.version(),
            block,
            bytes,
            rows,
        })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// One column; only its own pages of the file are read.
    pub(super) fn column(&self, index: usize) -> Result<ArrayRef, ArrowError> {
        caught(|| {
            let decoder = FileDecoder::new(self.schema.clone(), self.version);
            let batch = decoder
                .with_projection(vec![index])
                .read_record_batch(&self.block, &self.bytes)?
                .ok_or_else(|| broken("an empty record batch"))?;
            if batch.num_rows() != self.rows {
                return Err(broken("a column of another length"));
            }
            Ok(batch.column(0).clone())
        })
    }
}

/// The number of rows, once every buffer that the message names is seen to lie within the body:
/// Arrow's reader takes that for granted.
fn checked_rows(head: &[u8], body: usize) -> Result<usize, ArrowError> {
    let skipped = if head.starts_with(&CONTINUATION) {
        8
    } else {
        4
    };
    let message = head
        .get(skipped..)
        .ok_or_else(|| broken("no message"))
        .and_then(|m| root_as_message(m).map_err(|e| broken(&format!("unreadable head: {e}"))))?;
    let batch = message
        .header_as_record_batch()
        .ok_or_else(|| broken("not a record batch"))?;
    let fits = |offset: i64, length: i64| {
        let end = offset.checked_add(length);
        offset >= 0 && length >= 0 && end.is_some_and(|end| end <= body as i64)
    };
    let buffers = batch.buffers().into_iter().flatten();
    if batch.compression().is_some() || !buffers.into_iter().all(|b| fits(b.offset(), b.length())) {
        return Err(broken("a column lies outside of the file"));
    }
    let mut nodes = batch.nodes().into_iter().flatten();
    if !nodes.all(|node| node.length() >= 0 && node.null_count() >= 0) {
        return Err(broken("a column of a negative length"));
    }
    usize::try_from(batch.length()).map_err(|_| broken("a negative number of rows"))
}

fn broken(what: &str) -> ArrowError {
    ArrowError::IpcError(what.to_owned())
}

/// Bytes that Arrow's own checks let through must not end the program either.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    super::caught(work).unwrap_or_else(|| Err(broken("Arrow cannot read it")))
}

#[expect(
    unsafe_code,
    reason = "memory maps are how tables larger than memory are read"
)]
fn map(file: &File) -> io::Result<Bytes> {
    // SAFETY: objects of the cache are written once under another name, renamed into place and
    // never changed or truncated afterwards; removal keeps mapped pages alive.
    let map = unsafe { memmap2::Mmap::map(file)? };
    Ok(Bytes::from_owner(map))
}
