//! Objects that are not what they were stored as: set aside, told of, never used.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Cache;
use crate::table::{Digest, FileId, Guard};

/// Whether what is read is checked. Checking costs one pass over what is read, and nothing on a look-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Each column against its digest, when it is first read.
    #[default]
    Read,
    /// Only what cannot be read at all is found.
    Never,
}

/// An object that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupt {
    pub object: Digest,
    pub reason: String,
}

/// Sets aside and remembers.
pub(super) struct Keeper {
    folder: PathBuf,
    pub(super) verify: Verify,
    found: Mutex<Vec<Corrupt>>,
}

impl Keeper {
    pub(super) fn new(root: &Path, verify: Verify) -> Self {
        Self {
            folder: root.join("corrupt"),
            verify,
            found: Mutex::default(),
        }
    }

    fn found(&self) -> MutexGuard<'_, Vec<Corrupt>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found of an object is settled: it has been made anew.
    pub(super) fn forget(&self, object: Digest) {
        self.found().retain(|corrupt| corrupt.object != object);
    }

    /// Moves a file where nobody reads it. Words for why not, if not.
    pub(super) fn set_aside(&self, path: &Path) -> Result<(), String> {
        let name = path.file_name().unwrap_or_default();
        fs::create_dir_all(&self.folder)
            .and_then(|()| fs::rename(path, self.folder.join(name)))
            .map_err(|error| error.to_string())
    }
}

impl Guard for Keeper {
    fn verifies(&self) -> bool {
        self.verify == Verify::Read
    }

    fn refuse(&self, path: &Path, file: Option<FileId>, reason: &str) {
        let Some(object) = object_of(path) else {
            return;
        };
        let mut reason = reason.to_owned();
        // Another process may have put a good one into its place meanwhile.
        let is_still_there = fs::metadata(path).is_ok_and(|m| Some(FileId::of(&m)) == file);
        if is_still_there && let Err(error) = self.set_aside(path) {
            reason += &format!(" (and it cannot be set aside: {error})");
        }
        let mut found = self.found();
        if found.iter().all(|known| known.object != object) {
            found.push(Corrupt { object, reason });
        }
    }
}

/// The digest that an object's file is named by.
pub(super) fn object_of(path: &Path) -> Option<Digest> {
    path.file_name()?.to_str()?.parse().ok()
}

impl Cache {
    /// The objects that could not be used since this was last asked. Each stands in `corrupt/`, if it was there at all, and
    /// counts as not there: what made it can be run again.
    pub fn take_corrupt(&self) -> Vec<Corrupt> {
        std::mem::take(&mut *self.keeper.found())
    }

    pub fn has_corrupt(&self) -> bool {
        !self.keeper.found().is_empty()
    }
}
