//! The cache folder: entries and notes by key.
//!
//! ```text
//! objects/ab/DIGEST        one record batch as an Arrow IPC file, named by its content (objects.rs)
//! blobs/ab/DIGEST          a file that a node gave, named by its content (blobs.rs)
//! tables/ab/KEY.entry      what a node gave, and the manifest of the key
//! chunks/ab/KEY.entry      what a row-wise node gave for a chunk
//! rows/IDENTITY/KEY        which rows an identity has computed (rows.rs)
//! last/ab/DIGEST.entry     what a pipeline's node was made from when it last ran
//! outputs/ab/DIGEST.entry  what an output file was written from
//! runs/ID/                 what happened in a run
//! answers/NAME.log         answers of servers that were paid for (answers.rs)
//! files                    content digests by (path, size, times, inode) (files.rs)
//! corrupt/                 what was not as it was stored (guard.rs)
//! unfinished/KEY/          what a node that works for long has saved on its way (unfinished.rs)
//! locks/ tmp/ scratch/     who does what just now (lock.rs, sweep.rs)
//! ```
//!
//! All but objects and blobs is sealed (seal.rs). Those stand before the entries that name them, so an entry that is there
//! speaks of what was there; who reads it looks whether it still is.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answers::AnswerStore;
use super::entry::{ChunkEntry, TableEntry};
use super::guard::Keeper;
use super::lock::{InUse, use_cache};
use super::publish::{Folders, publish_hint, publish_through};
use super::{CacheError, Existence, FileDigests, Verify, seal, sweep};
use crate::table::Digest;

/// A cache folder, in use until this is dropped.
pub struct Cache {
    root: PathBuf,
    pub files: FileDigests,
    pub answers: AnswerStore,
    pub(super) keeper: Arc<Keeper>,
    folders: Folders,
    _use: Option<InUse>,
}

impl Cache {
    /// Opens a cache folder and makes it if need be.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, CacheError> {
        Self::open_patiently(root, |_| ())
    }

    /// As `open`; `waiting` is told who collects the cache, if that has to be waited for.
    pub fn open_patiently(
        root: impl Into<PathBuf>,
        waiting: impl FnOnce(&str),
    ) -> Result<Self, CacheError> {
        let root = found(&root.into())?;
        sweep::sweep_old(&root);
        let in_use = use_cache(&root, waiting)?;
        Ok(Self {
            _use: Some(in_use),
            ..Self::unlocked(root)
        })
    }

    /// For who has the cache alone.
    pub(super) fn unlocked(root: PathBuf) -> Self {
        Self {
            files: FileDigests::load(root.join("files"), temporary(&root)),
            answers: AnswerStore::new(&root),
            keeper: Arc::new(Keeper::new(&root, Verify::default())),
            folders: Folders::default(),
            root,
            _use: None,
        }
    }

    /// The cache with another policy of checking what is read.
    #[must_use]
    pub fn verify(mut self, verify: Verify) -> Self {
        self.keeper = Arc::new(Keeper::new(&self.root, verify));
        self
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn place(&self, group: &str, digest: Digest, ending: &str) -> PathBuf {
        let hex = digest.to_string();
        self.root
            .join(group)
            .join(&hex[..2])
            .join(format!("{hex}{ending}"))
    }

    /// Publishes a file that must not be torn.
    pub(super) fn publish(
        &self,
        path: &Path,
        write: impl FnOnce(&mut File) -> Result<(), CacheError>,
    ) -> Result<(), CacheError> {
        publish_through(&temporary(&self.root), path, write)
    }

    /// The entry under a key, if its objects and files are there and what it depends on still holds.
    pub fn table(&self, key: Digest) -> Option<TableEntry> {
        let entry: TableEntry = read(&self.table_path(key))?;
        if !entry.pieces().all(|p| self.has_object(p.object))
            || !entry.blobs().all(|blob| self.has_blob(blob))
        {
            return None;
        }
        if entry.existence && !self.existence(key)?.still_holds() {
            return None;
        }
        Some(entry)
    }

    /// Stores a node's result. It outlasts a power cut once this returns.
    pub fn put_table(
        &self,
        key: Digest,
        entry: &TableEntry,
        existence: &Existence,
    ) -> Result<(), CacheError> {
        let objects = entry.pieces().map(|p| self.object_path(p.object));
        let blobs = entry.blobs().map(|blob| self.blob_path(blob.digest));
        let files: Vec<PathBuf> = objects.chain(blobs).collect();
        let folders = files.iter().filter_map(|path| path.parent()).collect();
        self.folders.flush(&folders)?;
        if entry.existence {
            let lines: Vec<_> = existence
                .0
                .iter()
                .map(|(p, e)| (p.to_string_lossy(), *e))
                .collect();
            self.write(&self.existence_path(key), &lines)?;
        }
        let path = self.table_path(key);
        self.write(&path, entry)?;
        self.folders.flush(&path.parent().into_iter().collect())
    }

    fn existence(&self, key: Digest) -> Option<Existence> {
        let lines: Vec<(String, bool)> = read(&self.existence_path(key))?;
        Some(Existence(
            lines.into_iter().map(|(p, e)| (p.into(), e)).collect(),
        ))
    }

    pub(super) fn table_path(&self, key: Digest) -> PathBuf {
        self.place("tables", key, ".entry")
    }

    pub(super) fn existence_path(&self, key: Digest) -> PathBuf {
        self.place("tables", key, ".existence")
    }

    pub fn chunk(&self, key: Digest) -> Option<ChunkEntry> {
        let entry: ChunkEntry = read(&self.place("chunks", key, ".entry"))?;
        self.has_object(entry.piece.object).then_some(entry)
    }

    pub fn put_chunk(&self, key: Digest, entry: &ChunkEntry) -> Result<(), CacheError> {
        self.write(&self.place("chunks", key, ".entry"), entry)
    }

    pub(super) fn rows_folder(&self, identity: Digest) -> PathBuf {
        self.root.join("rows").join(identity.to_string())
    }

    /// A small record of the engine's own, by group and name.
    pub fn note<T: DeserializeOwned>(&self, group: &str, name: &str) -> Option<T> {
        read(&self.note_path(group, name))
    }

    /// Notes are hints: a power cut may take the last ones, and a cache that is full or may only be read goes on without.
    pub fn put_note(
        &self,
        group: &str,
        name: &str,
        value: &impl Serialize,
    ) -> Result<(), CacheError> {
        let path = self.note_path(group, name);
        publish_hint(&temporary(&self.root), &path, &bytes(&path, value)?)
    }

    fn note_path(&self, group: &str, name: &str) -> PathBuf {
        self.place(group, Digest::of_bytes(name.as_bytes()), ".entry")
    }

    fn write(&self, path: &Path, value: &impl Serialize) -> Result<(), CacheError> {
        let bytes = bytes(path, value)?;
        self.publish(path, |file| {
            file.write_all(&bytes)
                .map_err(CacheError::io("write", path))
        })
    }

    /// A fresh folder for a node's scratch files; removed when dropped.
    pub fn scratch(&self) -> Result<tempfile::TempDir, CacheError> {
        let folder = self.root.join("scratch");
        fs::create_dir_all(&folder).map_err(CacheError::io("create", &folder))?;
        tempfile::tempdir_in(&folder).map_err(CacheError::io("write in", &folder))
    }
}

/// The cache folder at `root`, made if need be.
pub(super) fn found(root: &Path) -> Result<PathBuf, CacheError> {
    fs::create_dir_all(root).map_err(CacheError::io("create the cache folder", root))?;
    let root = root.canonicalize().map_err(CacheError::io("find", root))?;
    let ignore = root.join(".gitignore");
    if !ignore.exists() {
        let written = fs::write(&ignore, "*\n").map_err(CacheError::io("write", &ignore));
        written.or_else(|error| {
            if error.is_read_only() {
                Ok(())
            } else {
                Err(error)
            }
        })?;
    }
    Ok(root)
}

fn temporary(root: &Path) -> PathBuf {
    root.join("tmp")
}

/// What cannot be read counts as not there: the work is done again.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&seal::read(path)?).ok()
}

fn bytes(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, CacheError> {
    let json = serde_json::to_vec(value).map_err(|e| CacheError::io("write", path)(e.into()))?;
    Ok(seal::sealed(path, &json))
}
