//! Objects and entries on disk.
//!
//! ```text
//! objects/ab/DIGEST        one record batch as an Arrow IPC file, named by its columns' digests
//! tables/ab/KEY.json       what a node gave, and the manifest of the key
//! chunks/ab/KEY.json       what a row-wise node gave for a chunk
//! rows/IDENTITY/KEY        which rows an identity has computed (rows.rs)
//! last/DIGEST.json         the manifest of a pipeline's node when it last ran
//! outputs/DIGEST.json      what an output file was written from
//! runs/ID/                 what happened in a run (runs/)
//! files                    content digests by (path, size, times, inode) (files.rs)
//! ```

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entry::{ChunkEntry, Existence, Piece, TableEntry};
use super::{CacheError, FileDigests, publish};
use crate::table::{Column, Digest, Digester, StoredBatch, array_digest, write_batch};

/// A cache folder.
pub struct Cache {
    root: PathBuf,
    pub files: FileDigests,
}

/// A batch that was put into the cache.
pub struct Stored {
    pub piece: Piece,
    pub batch: Arc<StoredBatch>,
}

impl Cache {
    /// Opens a cache folder and makes it if need be.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, CacheError> {
        let root: PathBuf = root.into();
        fs::create_dir_all(&root).map_err(CacheError::io("create the cache folder", &root))?;
        let root = root.canonicalize().map_err(CacheError::io("find", &root))?;
        let ignore = root.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(CacheError::io("write", &ignore))?;
        }
        let files = FileDigests::load(root.join("files"));
        Ok(Self { root, files })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    fn place(&self, group: &str, digest: Digest, ending: &str) -> PathBuf {
        let hex = digest.to_string();
        self.root
            .join(group)
            .join(&hex[..2])
            .join(format!("{hex}{ending}"))
    }

    pub fn object_path(&self, object: Digest) -> PathBuf {
        self.place("objects", object, "")
    }

    /// Stores a batch; one that is there already costs only its digest.
    pub fn put(&self, batch: &RecordBatch) -> Result<Stored, CacheError> {
        let columns: Vec<Digest> = batch.columns().iter().map(|c| array_digest(c)).collect();
        let mut digester = Digester::new("trommel.object.1");
        for (field, digest) in batch.schema().fields().iter().zip(&columns) {
            digester.push(field.name(), digest.as_bytes());
        }
        digester.push("rows", &(batch.num_rows() as u64).to_le_bytes());
        let object = digester.finish();
        let path = self.object_path(object);
        if !is_whole(&path) {
            publish(&path, |file| {
                write_batch(file, batch).map_err(|source| CacheError::Arrow {
                    path: path.clone(),
                    source,
                })
            })?;
        }
        let piece = Piece {
            rows: batch.num_rows(),
            object,
            columns,
        };
        Ok(Stored {
            piece,
            batch: StoredBatch::new(path),
        })
    }

    /// The columns of a piece, to be read when needed.
    pub fn columns(&self, piece: &Piece) -> Vec<Column> {
        let batch = StoredBatch::new(self.object_path(piece.object));
        let columns = piece.columns.iter().enumerate();
        columns
            .map(|(index, &digest)| Column::new(digest, batch.clone(), index))
            .collect()
    }

    pub fn has_object(&self, object: Digest) -> bool {
        is_whole(&self.object_path(object))
    }

    /// The entry under a key, if its objects are there and what it depends on still holds.
    pub fn table(&self, key: Digest) -> Option<TableEntry> {
        let entry: TableEntry = read_json(&self.place("tables", key, ".json"))?;
        let whole = entry
            .ports
            .iter()
            .chain(&entry.quarantined)
            .flat_map(|p| &p.pieces)
            .all(|p| self.has_object(p.object));
        if !whole {
            return None;
        }
        if entry.existence && !self.existence(key)?.still_holds() {
            return None;
        }
        Some(entry)
    }

    pub fn put_table(
        &self,
        key: Digest,
        entry: &TableEntry,
        existence: &Existence,
    ) -> Result<(), CacheError> {
        if entry.existence {
            let path = self.place("tables", key, ".existence");
            publish::<CacheError>(&path, |file| {
                let lines: Vec<_> = existence
                    .0
                    .iter()
                    .map(|(p, e)| (p.to_string_lossy(), *e))
                    .collect();
                serde_json::to_writer(file, &lines)
                    .map_err(|e| CacheError::io("write", &path)(e.into()))
            })?;
        }
        write_json(&self.place("tables", key, ".json"), entry)
    }

    fn existence(&self, key: Digest) -> Option<Existence> {
        let lines: Vec<(String, bool)> = read_json(&self.place("tables", key, ".existence"))?;
        Some(Existence(
            lines.into_iter().map(|(p, e)| (p.into(), e)).collect(),
        ))
    }

    pub fn chunk(&self, key: Digest) -> Option<ChunkEntry> {
        let entry: ChunkEntry = read_json(&self.place("chunks", key, ".json"))?;
        self.has_object(entry.piece.object).then_some(entry)
    }

    pub fn put_chunk(&self, key: Digest, entry: &ChunkEntry) -> Result<(), CacheError> {
        write_json(&self.place("chunks", key, ".json"), entry)
    }

    pub(super) fn rows_folder(&self, identity: Digest) -> PathBuf {
        self.root.join("rows").join(identity.to_string())
    }

    /// A small record of the engine's own, by group and name.
    pub fn note<T: DeserializeOwned>(&self, group: &str, name: &str) -> Option<T> {
        read_json(&self.place(group, Digest::of_bytes(name.as_bytes()), ".json"))
    }

    pub fn put_note(
        &self,
        group: &str,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), CacheError> {
        write_json(
            &self.place(group, Digest::of_bytes(name.as_bytes()), ".json"),
            value,
        )
    }

    /// A fresh folder for a node's scratch files; removed when dropped.
    pub fn scratch(&self) -> Result<tempfile::TempDir, CacheError> {
        let folder = self.root.join("scratch");
        fs::create_dir_all(&folder).map_err(CacheError::io("create", &folder))?;
        tempfile::tempdir_in(&folder).map_err(CacheError::io("write in", &folder))
    }
}

/// Whether an object is there to its end: Arrow files end as they begin. One that was cut counts as not there.
fn is_whole(path: &Path) -> bool {
    const MARK: &[u8] = b"ARROW1";
    let mut end = [0; MARK.len()];
    let read = fs::File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::End(-(MARK.len() as i64)))?;
        file.read_exact(&mut end)
    });
    read.is_ok() && end == MARK
}

/// What cannot be read counts as not there: the work is done again.
fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), CacheError> {
    publish::<CacheError>(path, |file| {
        let bytes =
            serde_json::to_vec(value).map_err(|e| CacheError::io("write", path)(e.into()))?;
        file.write_all(&bytes)
            .map_err(CacheError::io("write", path))
    })
}
