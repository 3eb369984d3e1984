//! Publishing: a file is written under a temporary name, flushed, and renamed into place.
//!
//! A crash at any moment leaves the old file or the new one, never a part of one.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::CacheError;

/// Writes `path` by `write`, through a temporary file in the same folder.
pub fn publish<E: From<CacheError>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(CacheError::io("create the folder", folder))?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".trommel-")
        .tempfile_in(folder)
        .map_err(CacheError::io("write in", folder))?;
    write(temporary.as_file_mut())?;
    temporary
        .as_file_mut()
        .flush()
        .map_err(CacheError::io("write", path))?;
    temporary
        .as_file()
        .sync_data()
        .map_err(CacheError::io("flush", path))?;
    open_to_all(temporary.as_file());
    temporary
        .persist(path)
        .map_err(|e| CacheError::io("rename into place", path)(e.error))?;
    Ok(())
}

/// Temporary files are private; what is published has the rights of an ordinary new file.
fn open_to_all(file: &File) {
    use std::os::unix::fs::PermissionsExt;
    // A file system without rights is as good.
    let _ = file.set_permissions(fs::Permissions::from_mode(0o644));
}
