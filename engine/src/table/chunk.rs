//! Tables, chunks and columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Field, FieldRef, Schema, UInt64Type};
use arrow::error::ArrowError;

use super::{Digest, Digester, StoredBatch, UNIQUE_IDX};

/// A column of a chunk: a digest, and an array that is read only when somebody asks for it.
#[derive(Clone)]
pub struct Column {
    digest: Digest,
    batch: Arc<StoredBatch>,
    index: usize,
}

impl Column {
    pub fn new(digest: Digest, batch: Arc<StoredBatch>, index: usize) -> Self {
        Self {
            digest,
            batch,
            index,
        }
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub fn array(&self) -> Result<ArrayRef, ArrowError> {
        self.batch.column(self.index)
    }

    /// The file and the position in it.
    pub fn place(&self) -> (&std::path::Path, usize) {
        (self.batch.path(), self.index)
    }
}

/// A run of rows; `columns` stand in the order of the table's fields.
#[derive(Clone)]
pub struct Chunk {
    pub rows: usize,
    pub columns: Vec<Column>,
}

/// An ordered list of chunks of one schema.
#[derive(Clone)]
pub struct Table {
    fields: Arc<[FieldRef]>,
    chunks: Arc<[Chunk]>,
}

impl Table {
    pub fn new(fields: impl Into<Arc<[FieldRef]>>, chunks: impl Into<Arc<[Chunk]>>) -> Self {
        let (fields, chunks) = (fields.into(), chunks.into());
        debug_assert!(chunks.iter().all(|c| c.columns.len() == fields.len()));
        Self { fields, chunks }
    }

    pub fn fields(&self) -> &[FieldRef] {
        &self.fields
    }

    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    pub fn rows(&self) -> usize {
        self.chunks.iter().map(|c| c.rows).sum()
    }

    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name() == name)
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.column_index(name).map(|i| self.fields[i].as_ref())
    }

    /// The digest of a whole column: that of its chunks in order.
    pub fn column_digest(&self, name: &str) -> Option<Digest> {
        let index = self.column_index(name)?;
        let mut digester = Digester::new("trommel.column.1");
        for chunk in self.chunks.iter() {
            digester.push("chunk", chunk.columns[index].digest().as_bytes());
        }
        Some(digester.finish())
    }

    /// The arrays of a column, chunk by chunk.
    pub fn arrays(&self, name: &str) -> Result<Vec<ArrayRef>, ArrowError> {
        let index = self
            .column_index(name)
            .ok_or_else(|| ArrowError::SchemaError(format!("no column `{name}`")))?;
        self.chunks
            .iter()
            .map(|c| c.columns[index].array())
            .collect()
    }

    /// The `unique_idx` of all rows.
    pub fn unique_idx(&self) -> Result<Vec<u64>, ArrowError> {
        let mut numbers = Vec::with_capacity(self.rows());
        for array in self.arrays(UNIQUE_IDX)? {
            numbers.extend(array.as_primitive::<UInt64Type>().values());
        }
        Ok(numbers)
    }

    /// The table with only the columns named, in that order.
    pub fn select(&self, names: &[&str]) -> Result<Self, ArrowError> {
        let indices = names
            .iter()
            .map(|name| {
                self.column_index(name)
                    .ok_or_else(|| ArrowError::SchemaError(format!("no column `{name}`")))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let fields: Vec<FieldRef> = indices.iter().map(|&i| self.fields[i].clone()).collect();
        let chunks: Vec<Chunk> = self
            .chunks
            .iter()
            .map(|c| Chunk {
                rows: c.rows,
                columns: indices.iter().map(|&i| c.columns[i].clone()).collect(),
            })
            .collect();
        Ok(Self::new(fields, chunks))
    }

    /// One chunk as a record batch.
    pub fn batch(&self, chunk: usize) -> Result<RecordBatch, ArrowError> {
        let chunk = &self.chunks[chunk];
        let columns = chunk
            .columns
            .iter()
            .map(Column::array)
            .collect::<Result<Vec<_>, _>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(chunk.rows));
        RecordBatch::try_new_with_options(self.schema(), columns, &options)
    }

    /// The rows at `positions`, in that order, as one batch.
    pub fn take(&self, positions: &[usize]) -> Result<RecordBatch, ArrowError> {
        let mut starts = Vec::with_capacity(self.chunks.len());
        let mut next = 0;
        for chunk in self.chunks.iter() {
            starts.push(next);
            next += chunk.rows;
        }
        let indices = positions
            .iter()
            .map(|&row| {
                if row >= next {
                    return Err(ArrowError::InvalidArgumentError(format!(
                        "row {row} of {next}"
                    )));
                }
                let chunk = starts.partition_point(|&s| s <= row) - 1;
                Ok((chunk, row - starts[chunk]))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if positions.is_empty() {
            return Ok(RecordBatch::new_empty(self.schema()));
        }
        let columns = (0..self.fields.len())
            .map(|i| {
                let arrays = self
                    .chunks
                    .iter()
                    .map(|c| c.columns[i].array())
                    .collect::<Result<Vec<_>, _>>()?;
                let refs: Vec<&dyn Array> =
                    arrays.iter().map(|a| a.as_ref() as &dyn Array).collect();
                arrow::compute::interleave(&refs, &indices)
            })
            .collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(self.schema(), columns)
    }

    pub fn schema(&self) -> Arc<Schema> {
        Arc::new(Schema::new(self.fields.to_vec()))
    }
}
