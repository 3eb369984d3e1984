//! Arrow IPC: record batches into files and messages, and out of messages.

use std::io::{BufWriter, Read, Write};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::{FileWriter, StreamWriter};

/// Writes one batch as an Arrow IPC file.
pub fn write_batch(to: impl Write, batch: &RecordBatch) -> Result<(), ArrowError> {
    let mut writer = FileWriter::try_new(BufWriter::new(to), &batch.schema())?;
    writer.write(batch)?;
    writer.finish()?;
    writer.into_inner()?.flush()?;
    Ok(())
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
    fn stream_round_trip() {
        let bytes = encode_stream(&sample()).unwrap();
        assert_eq!(decode_stream(&bytes[..]).unwrap(), sample());
    }
}
