//! Which rows an identity has computed, and where they lie: the row is the unit of truth.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use super::{Cache, CacheError, seal};
use crate::table::{Digest, RowDigest};

/// Stands in an index file for a row that failed; no digest is all zeros.
const FAILED: RowDigest = [0; 16];

/// A row of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowPlace {
    pub object: Digest,
    pub row: usize,
}

/// All rows that one identity ever computed.
#[derive(Default)]
pub struct RowIndex {
    objects: Vec<Digest>,
    rows: HashMap<RowDigest, (u32, u32)>,
}

impl RowIndex {
    /// Reads the index of an identity. A file that is cut or strange is passed over: its rows are
    /// computed again.
    pub fn load(cache: &Cache, identity: Digest) -> Self {
        let mut index = Self::default();
        let Ok(folder) = fs::read_dir(cache.rows_folder(identity)) else {
            return index;
        };
        for file in folder.flatten() {
            let Some((object, rows)) = read(&file.path()) else {
                continue;
            };
            if cache.has_object(object) {
                index.add(object, &rows);
            }
        }
        index
    }

    pub fn add(&mut self, object: Digest, rows: &[RowDigest]) {
        let number = self.objects.len() as u32;
        self.objects.push(object);
        for (row, digest) in rows.iter().enumerate() {
            if *digest != FAILED {
                self.rows.entry(*digest).or_insert((number, row as u32));
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn find(&self, digest: &RowDigest) -> Option<RowPlace> {
        let &(object, row) = self.rows.get(digest)?;
        Some(RowPlace {
            object: self.objects[object as usize],
            row: row as usize,
        })
    }

    /// Records the rows of an object under the key of their chunk; `failed` rows do not count.
    pub fn publish(
        &mut self,
        cache: &Cache,
        identity: Digest,
        chunk: Digest,
        object: Digest,
        rows: &[RowDigest],
        failed: &[usize],
    ) -> Result<(), CacheError> {
        let mut rows = rows.to_vec();
        for &row in failed {
            rows[row] = FAILED;
        }
        let path = cache.rows_folder(identity).join(chunk.to_string());
        let mut bytes = Vec::with_capacity(32 + rows.len() * 16);
        bytes.extend_from_slice(object.as_bytes());
        bytes.extend(rows.iter().flatten());
        let bytes = seal::sealed(&path, &bytes);
        cache.publish(&path, |file| {
            file.write_all(&bytes)
                .map_err(CacheError::io("write", &path))
        })?;
        self.add(object, &rows);
        Ok(())
    }
}

/// An object and which rows lie in it.
pub(super) fn read(path: &Path) -> Option<(Digest, Vec<RowDigest>)> {
    let bytes = seal::read(path)?;
    let (object, rows) = bytes.split_first_chunk::<32>()?;
    let (rows, rest) = rows.as_chunks::<16>();
    let object = Digest::from_bytes(*object);
    rest.is_empty().then(|| (object, rows.to_vec()))
}
