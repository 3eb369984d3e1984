//! A port of files: they stand in the cache as blobs, and its table names them.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::UInt64Type;

use super::RunError;
use crate::cache::{Blob, Cache};
use crate::table::{Table, strings};

/// Files by their names in the folder that they make up.
#[derive(Default)]
pub(super) struct PortFiles(BTreeMap<String, Blob>);

impl PortFiles {
    /// Takes a file over into the cache.
    pub(super) fn take(
        &mut self,
        name: &str,
        path: &Path,
        cache: &Cache,
    ) -> Result<Blob, RunError> {
        if !is_inside(name) {
            return Err(RunError::new(format!(
                "`{name}` is no name of a file in a folder"
            )));
        }
        if self.0.contains_key(name) {
            return Err(RunError::new(format!("two files are named `{name}`")));
        }
        let blob = cache.take_blob(path)?;
        self.0.insert(name.to_owned(), blob);
        Ok(blob)
    }

    pub(super) fn blobs(&self) -> Vec<Blob> {
        self.0.values().copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A row for each file, by name.
    pub(super) fn rows(&self) -> Result<RecordBatch, RunError> {
        let bytes = self.0.values().map(|blob| blob.bytes);
        let digests = self.0.values().map(|blob| blob.digest.to_string());
        Ok(RecordBatch::try_from_iter([
            (
                "file",
                Arc::new(StringArray::from_iter_values(self.0.keys())) as ArrayRef,
            ),
            ("bytes", Arc::new(UInt64Array::from_iter_values(bytes))),
            ("digest", Arc::new(StringArray::from_iter_values(digests))),
        ])?)
    }
}

/// The files that a table of such a port names.
pub(super) fn named_files(table: &Table) -> Result<BTreeMap<String, Blob>, RunError> {
    let broken = || RunError::new("the table does not name files of the cache");
    let columns = ["file", "digest", "bytes"].map(|name| table.arrays(name));
    let [files, digests, bytes] = columns;
    let mut named = BTreeMap::new();
    for ((files, digests), bytes) in files?.iter().zip(digests?).zip(bytes?) {
        let bytes = bytes
            .as_primitive_opt::<UInt64Type>()
            .ok_or_else(broken)?
            .values();
        let (files, digests) = (strings(files)?, strings(&digests)?);
        for ((file, digest), bytes) in files.iter().zip(digests.iter()).zip(bytes) {
            let (file, digest) = file.zip(digest).ok_or_else(broken)?;
            let digest = digest.parse().map_err(|_| broken())?;
            let bytes = *bytes;
            named.insert(file.to_owned(), Blob { digest, bytes });
        }
    }
    Ok(named)
}

/// Whether a name stays within a folder, and has one spelling there.
fn is_inside(name: &str) -> bool {
    let path = Path::new(name);
    let parts: Vec<_> = path.components().collect();
    let plain = parts
        .iter()
        .all(|part| matches!(part, Component::Normal(_)));
    plain && !parts.is_empty() && parts.iter().collect::<std::path::PathBuf>().as_os_str() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_folder() {
        for name in ["a", "a.b", "part/a", ".hidden"] {
            assert!(is_inside(name), "{name}");
        }
        for name in ["", ".", "..", "/a", "../a", "a/../b", "a/", "a//b", "./a"] {
            assert!(!is_inside(name), "{name}");
        }
    }
}
