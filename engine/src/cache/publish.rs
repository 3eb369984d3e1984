//! Publishing: a file is written under a temporary name, flushed, and renamed into place.
//!
//! A crash at any moment, a power cut too, leaves the old file or the new one, never a part of one.
//! A power cut may take back the last renames; [`Folders`] is for what must not be lost even then.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::CacheError;

/// How temporary files are called.
pub(super) const PREFIX: &str = ".trommel-";

/// Writes `path` by `write`, through a temporary file in the same folder.
pub fn publish<E: From<CacheError>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    publish_through(folder, path, write)
}

/// As [`publish`]; the temporary file stands in the folder `temporary`, on the same disk.
pub(super) fn publish_through<E: From<CacheError>>(
    temporary: &Path,
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    replace(temporary, path, |file| {
        write(file)?;
        file.flush().map_err(CacheError::io("write", path))?;
        file.sync_data().map_err(CacheError::io("flush", path))?;
        Ok(())
    })
}

/// As [`publish_through`], but nothing is flushed to the disk: for what carries a seal, so that a torn file is seen, and is
/// only a hint, so that one that cannot be written costs no more than a look. A cache that is full or may only be read goes
/// on without.
pub(super) fn publish_hint(temporary: &Path, path: &Path, bytes: &[u8]) -> Result<(), CacheError> {
    let published = replace(temporary, path, |file| {
        file.write_all(bytes).map_err(CacheError::io("write", path))
    });
    match published {
        Err(error) if error.is_full() || error.is_read_only() => Ok(()),
        other => other,
    }
}

fn replace<E: From<CacheError>>(
    temporary: &Path,
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    for folder in [Some(temporary), path.parent()].into_iter().flatten() {
        fs::create_dir_all(folder).map_err(CacheError::io("create the folder", folder))?;
    }
    let mut file = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempfile_in(temporary)
        .map_err(CacheError::io("write in", temporary))?;
    write(file.as_file_mut())?;
    open_to_all(file.as_file());
    file.persist(path)
        .map_err(|e| CacheError::io("rename into place", path)(e.error))?;
    Ok(())
}

/// Which folders' own names outlast a power cut: once is enough for each.
#[derive(Default)]
pub(super) struct Folders(Mutex<HashSet<PathBuf>>);

impl Folders {
    /// Makes the names in these folders, and their own names, outlast a power cut.
    pub(super) fn flush(&self, folders: &BTreeSet<&Path>) -> Result<(), CacheError> {
        folders.iter().try_for_each(|folder| flush_names(folder))?;
        let is_known = |folder: &Path| self.0.lock().is_ok_and(|known| known.contains(folder));
        let new = folders.iter().filter(|folder| !is_known(folder));
        let parents: BTreeSet<&Path> = new.filter_map(|folder| folder.parent()).collect();
        parents.iter().try_for_each(|folder| flush_names(folder))?;
        if let Ok(mut known) = self.0.lock() {
            known.extend(folders.iter().map(|&folder| folder.to_owned()));
        }
        Ok(())
    }
}

/// Makes the names in a folder outlast a power cut.
pub(super) fn flush_names(folder: &Path) -> Result<(), CacheError> {
    let flushed = File::open(folder).and_then(|f| f.sync_all());
    match flushed {
        // Some file systems flush no folders; there is nothing more to do on them.
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        other => other.map_err(CacheError::io("flush", folder)),
    }
}

/// Temporary files are private; what is published has the rights of an ordinary new file.
fn open_to_all(file: &File) {
    use std::os::unix::fs::PermissionsExt;
    // A file system without rights is as good.
    let _ = file.set_permissions(fs::Permissions::from_mode(0o644));
}
