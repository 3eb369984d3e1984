//! A record batch on disk: mapped on first use, shared by its columns, checked against what was promised.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Fields};
use arrow::error::ArrowError;

use super::mapped::{MappedBatch, caught};
use super::{Digest, Digester, array_digest};

/// One batch in an Arrow IPC file.
pub struct StoredBatch {
    path: PathBuf,
    guarded: Option<(Promise, Arc<dyn Guard>)>,
    opened: OnceLock<Opened>,
}

/// What a file must hold.
pub struct Promise {
    /// As [`batch_digest`] gives it.
    pub object: Digest,
    /// The digests of the columns and the number of rows where they are known. Then a column is checked when it is
    /// first read; else all of them are when the file is opened.
    pub columns: Option<(Vec<Digest>, usize)>,
}

/// Stands between files and their readers.
pub trait Guard: Send + Sync {
    /// Whether digests are compared.
    fn verifies(&self) -> bool;

    /// Told of a file that cannot be used. No `file`: there is none at `path`.
    fn refuse(&self, path: &Path, file: Option<FileId>, reason: &str);
}

/// Tells a file from another one that was put into its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

struct Opened {
    file: FileId,
    batch: MappedBatch,
    columns: Box<[OnceLock<ArrayRef>]>,
}

impl FileId {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

impl StoredBatch {
    /// A file that somebody else vouches for.
    pub fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            guarded: None,
            opened: OnceLock::new(),
        })
    }

    /// A file that is checked as it is read. What does not keep the promise is told to the guard and never given.
    pub fn guarded(path: PathBuf, promise: Promise, guard: Arc<dyn Guard>) -> Arc<Self> {
        Arc::new(Self {
            path,
            guarded: Some((promise, guard)),
            opened: OnceLock::new(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// One column.
    pub fn column(&self, index: usize) -> Result<ArrayRef, ArrowError> {
        let opened = self.opened()?;
        let column = opened.columns.get(index).ok_or_else(|| {
            ArrowError::IpcError(format!("{}: no column {index}", self.path.display()))
        })?;
        if let Some(array) = column.get() {
            return Ok(array.clone());
        }
        let refused = |reason: &str| self.refused(Some(opened.file), reason);
        let array = (opened.batch.column(index)).map_err(|e| refused(&e.to_string()))?;
        if let Some((
            Promise {
                columns: Some((columns, _)),
                ..
            },
            guard,
        )) = &self.guarded
            && guard.verifies()
            && columns.get(index) != Some(&digest(&array).map_err(|e| refused(&e.to_string()))?)
        {
            return Err(refused(&format!("column {index} is not what was stored")));
        }
        Ok(column.get_or_init(|| array).clone())
    }

    /// All columns.
    pub fn batch(&self) -> Result<RecordBatch, ArrowError> {
        let opened = self.opened()?;
        let columns = (0..opened.columns.len())
            .map(|index| self.column(index))
            .collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(opened.batch.rows()));
        RecordBatch::try_new_with_options(opened.batch.schema().clone(), columns, &options)
            .map_err(|e| self.refused(Some(opened.file), &e.to_string()))
    }

    fn opened(&self) -> Result<&Opened, ArrowError> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let (file, batch) = self.open()?;
        let columns = (0..batch.schema().fields().len())
            .map(|_| OnceLock::new())
            .collect();
        let opened = Opened {
            file,
            batch,
            columns,
        };
        if let Some((promise, guard)) = &self.guarded
            && guard.verifies()
        {
            let kept = (promise.is_kept_by(&opened))
                .map_err(|e| self.refused(Some(file), &e.to_string()))?;
            if !kept {
                return Err(self.refused(Some(file), "its content is not what was stored"));
            }
        }
        Ok(self.opened.get_or_init(|| opened))
    }

    fn open(&self) -> Result<(FileId, MappedBatch), ArrowError> {
        let opened = File::open(&self.path).and_then(|f| Ok((FileId::of(&f.metadata()?), f)));
        let (id, file) = opened.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.refused(None, "it is gone"),
            _ => ArrowError::IpcError(format!("cannot read {}: {error}", self.path.display())),
        })?;
        let batch = MappedBatch::open(&file).map_err(|e| self.refused(Some(id), &e.to_string()))?;
        Ok((id, batch))
    }

    fn refused(&self, file: Option<FileId>, reason: &str) -> ArrowError {
        if let Some((_, guard)) = &self.guarded {
            guard.refuse(&self.path, file, reason);
        }
        ArrowError::IpcError(format!("{} cannot be used: {reason}", self.path.display()))
    }
}

impl Promise {
    /// Whether the fields and the number of rows are those promised; where the digests of the columns are not known, the columns too.
    fn is_kept_by(&self, opened: &Opened) -> Result<bool, ArrowError> {
        let (fields, rows) = (opened.batch.schema().fields(), opened.batch.rows());
        if let Some((columns, promised)) = &self.columns {
            let object = batch_digest(fields, columns, rows);
            return Ok(*promised == rows && object == self.object);
        }
        let mut digests = Vec::with_capacity(fields.len());
        for (index, column) in opened.columns.iter().enumerate() {
            let array = opened.batch.column(index)?;
            digests.push(digest(&array)?);
            column.get_or_init(|| array);
        }
        Ok(batch_digest(fields, &digests, rows) == self.object)
    }
}

fn digest(array: &ArrayRef) -> Result<Digest, ArrowError> {
    caught(|| Ok(array_digest(array)))
}

/// The digest of a batch: its fields as they are written, the digests of its columns, the number of its rows.
pub fn batch_digest(fields: &Fields, columns: &[Digest], rows: usize) -> Digest {
    let mut digester = Digester::new("trommel.object.2");
    for (field, digest) in fields.iter().zip(columns) {
        push_field(field, &mut digester);
        digester.push("column", digest.as_bytes());
    }
    digester.push("rows", &(rows as u64).to_le_bytes());
    digester.finish()
}

/// Unlike for the digest of an array, how a type is written counts: a file that was stored with other names of inner
/// fields is another file.
fn push_field(field: &Field, out: &mut Digester) {
    out.push("name", field.name().as_bytes());
    out.push("nullable", &[u8::from(field.is_nullable())]);
    let metadata: std::collections::BTreeMap<_, _> = field.metadata().iter().collect();
    for (key, value) in metadata {
        out.push(key, value.as_bytes());
    }
    match field.data_type() {
        DataType::List(inner) | DataType::LargeList(inner) => {
            let large = matches!(field.data_type(), DataType::LargeList(_));
            out.push("list", &[u8::from(large)]);
            push_field(inner, out);
        }
        DataType::FixedSizeList(inner, width) => {
            out.push("fixed list", &width.to_le_bytes());
            push_field(inner, out);
        }
        DataType::Struct(fields) => {
            out.push("struct", &(fields.len() as u64).to_le_bytes());
            fields.iter().for_each(|inner| push_field(inner, out));
        }
        plain => out.push("type", format!("{plain:?}").as_bytes()),
    }
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
