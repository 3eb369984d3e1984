//! Writes the files that a port of files names into a folder, all of them or none.
//!
//! They are copies: whoever edits the folder does not edit the cache, and copying checks what was stored.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::RunError;
use super::port_files::named_files;
use crate::cache::Cache;
use crate::table::Table;

/// Makes `path` a folder of exactly the files that `table` names. False: it is that already. What stands there is replaced
/// if every file of it was written by this, and refused otherwise.
pub fn write_folder(table: &Table, path: &Path, cache: &Cache) -> Result<bool, RunError> {
    let path = place(path).map_err(|e| fault("write", path, &e))?;
    let wanted = named_files(table)?;
    let names: BTreeSet<String> = wanted.keys().cloned().collect();
    let there = files_of(&path).map_err(|e| fault("read", &path, &e))?;
    let note = path.display().to_string();
    let is_wanted = |name: &String| {
        let (file, blob) = (path.join(name), wanted[name]);
        let length = fs::metadata(&file).map(|m| m.len());
        length.is_ok_and(|length| length == blob.bytes)
            && cache.files.digest(&file).is_ok_and(|d| d == blob.digest)
    };
    if path.is_dir() && there == names && names.iter().all(is_wanted) {
        // A note that was lost is written again: the folder may be replaced later.
        cache.put_note("outputs", &note, &names)?;
        return Ok(false);
    }
    let ours: BTreeSet<String> = cache.note("outputs", &note).unwrap_or_default();
    if let Some(foreign) = there.difference(&ours).next() {
        return Err(RunError {
            help: Some("move the folder away, or give another path".into()),
            ..RunError::new(format!(
                "cannot write {}: {foreign} in it was not written by a run with this cache",
                path.display()
            ))
        });
    }
    let beside = path.parent().unwrap_or(Path::new("/"));
    let temporary = tempfile::Builder::new()
        .prefix(".trommel-")
        .tempdir_in(beside)
        .map_err(|e| fault("write in", beside, &e))?;
    let new = temporary.path().join("new");
    fs::create_dir(&new).map_err(|e| fault("write in", beside, &e))?;
    for (name, blob) in &wanted {
        let file = new.join(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|e| fault("create", folder, &e))?;
        }
        cache.copy_blob(blob.digest, &file)?;
    }
    put_in_place(&new, &path, &temporary.path().join("old"))
        .map_err(|e| fault("write", &path, &e))?;
    cache.put_note("outputs", &note, &names)?;
    Ok(true)
}

/// Where the folder stands or will stand, always by the same name: that of what links point to.
fn place(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    if path.exists() {
        return path.canonicalize();
    }
    let (beside, name) = (path.parent(), path.file_name());
    let (beside, name) = beside.zip(name).ok_or(ErrorKind::InvalidInput)?;
    fs::create_dir_all(beside)?;
    Ok(beside.canonicalize()?.join(name))
}

/// Renames a folder into its place. One that is there goes with the temporary files.
fn put_in_place(new: &Path, path: &Path, old: &Path) -> io::Result<()> {
    File::open(new)?.sync_all()?;
    if path.exists() && renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE).is_err() {
        // Not all file systems can exchange two names in one go.
        fs::rename(path, old)?;
        fs::rename(new, path).inspect_err(|_| drop(fs::rename(old, path)))?;
    } else if !path.exists() {
        fs::rename(new, path)?;
    }
    match path.parent() {
        Some(beside) => File::open(beside)?.sync_all(),
        None => Ok(()),
    }
}

/// The names of all files below a folder; none where there is no folder.
fn files_of(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![PathBuf::new()];
    while let Some(inner) = open.pop() {
        let entries = match fs::read_dir(folder.join(&inner)) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let name = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(name);
            } else {
                found.insert(name.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}

fn fault(action: &str, path: &Path, error: &io::Error) -> RunError {
    let words = format!("cannot {action} {}: {error}", path.display());
    match error.kind() {
        ErrorKind::NotADirectory => RunError {
            help: Some("it is a file; remove it, or give another path".into()),
            ..RunError::new(words)
        },
        _ => RunError::new(words),
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
