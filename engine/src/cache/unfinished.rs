//! Folders of nodes that work for long: what is saved there before the work is stopped, or killed, is found by whoever begins
//! it again, with the same key.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Cache, CacheError};
use crate::table::Digest;

/// Where the folders stand, by key.
pub(super) fn folder(root: &Path) -> PathBuf {
    root.join("unfinished")
}

impl Cache {
    /// The folder of a key, made if need be. Only who holds the key's lock may use it.
    pub fn unfinished(&self, key: Digest) -> Result<PathBuf, CacheError> {
        let path = self.unfinished_path(key);
        fs::create_dir_all(&path).map_err(CacheError::io("create the folder", &path))?;
        Ok(path)
    }

    /// Removes the folder of a key, if there is one: its work is done, or to be begun anew.
    pub fn remove_unfinished(&self, key: Digest) -> Result<(), CacheError> {
        let path = self.unfinished_path(key);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(CacheError::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    fn unfinished_path(&self, key: Digest) -> PathBuf {
        folder(self.root()).join(key.to_string())
    }
}
