//! Writes the files that a port of files names into a folder, all of them or none.
//!
//! They are copies: whoever edits the folder does not edit the cache, and copying checks what was stored.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};

use super::RunError;
use super::port_files::named_files;
use crate::cache::Cache;
use crate::table::Table;

/// Makes `path` a folder of exactly the files that `table` names. False: it is that already. What stands there is replaced
/// if every file of it was written by this, and refused otherwise.
pub fn write_folder(table: &Table, path: &Path, cache: &Cache) -> Result<bool, RunError> {
    let folder = Folder::at(path, cache)?;
    let wanted = named_files(table)?;
    let is_wanted = |name: &String| {
        let (file, blob) = (folder.path.join(name), wanted[name]);
        let length = fs::metadata(&file).map(|m| m.len());
        length.is_ok_and(|length| length == blob.bytes)
            && cache.files.digest(&file).is_ok_and(|d| d == blob.digest)
    };
    if folder.is_made_of(&wanted.keys().cloned().collect(), is_wanted)? {
        return Ok(false);
    }
    folder.refuse_foreign()?;
    folder.replace(|new| {
        for (name, blob) in &wanted {
            cache.copy_blob(blob.digest, &file_in(new, name)?)?;
        }
        Ok(())
    })?;
    Ok(true)
}

/// A folder that is written as a whole. Which files of it were written by runs stands in a note of the cache.
pub(super) struct Folder<'a> {
    path: PathBuf,
    there: BTreeSet<String>,
    note: String,
    cache: &'a Cache,
}

impl<'a> Folder<'a> {
    pub(super) fn at(path: &Path, cache: &'a Cache) -> Result<Self, RunError> {
        let path = place(path).map_err(|e| fault("write", path, &e))?;
        let there = files_of(&path).map_err(|e| fault("read", &path, &e))?;
        let note = path.display().to_string();
        Ok(Self {
            path,
            there,
            note,
            cache,
        })
    }

    /// Whether it holds exactly these files, each as it is wanted.
    pub(super) fn is_made_of(
        &self,
        names: &BTreeSet<String>,
        is_wanted: impl Fn(&String) -> bool,
    ) -> Result<bool, RunError> {
        if !(self.path.is_dir() && self.there == *names && names.iter().all(is_wanted)) {
            return Ok(false);
        }
        // A note that was lost is written again: the folder may be replaced later.
        self.cache.put_note("outputs", &self.note, names)?;
        Ok(true)
    }

    /// Refuses to replace files that no run has written.
    pub(super) fn refuse_foreign(&self) -> Result<(), RunError> {
        let ours: BTreeSet<String> = self.cache.note("outputs", &self.note).unwrap_or_default();
        let Some(foreign) = self.there.difference(&ours).next() else {
            return Ok(());
        };
        Err(RunError {
            help: Some("move the folder away, or give another path".into()),
            ..RunError::new(format!(
                "cannot write {}: {foreign} in it was not written by a run with this cache",
                self.path.display()
            ))
        })
    }

    /// Puts what `fill` makes in an empty folder in its place, all of it or nothing. Gives the names of the files.
    pub(super) fn replace(
        &self,
        fill: impl FnOnce(&Path) -> Result<(), RunError>,
    ) -> Result<BTreeSet<String>, RunError> {
        let beside = self.path.parent().unwrap_or(Path::new("/"));
        let temporary = tempfile::Builder::new()
            .prefix(".trommel-")
            .tempdir_in(beside)
            .map_err(|e| fault("write in", beside, &e))?;
        let new = temporary.path().join("new");
        fs::create_dir(&new).map_err(|e| fault("write in", beside, &e))?;
        fill(&new)?;
        let names = files_of(&new).map_err(|e| fault("read", &new, &e))?;
        put_in_place(&new, &self.path, &temporary.path().join("old"))
            .map_err(|e| fault("write", &self.path, &e))?;
        self.cache.put_note("outputs", &self.note, &names)?;
        Ok(names)
    }
}

/// The place of a file in a folder; the folders that it stands in are made.
pub(super) fn file_in(folder: &Path, name: &str) -> Result<PathBuf, RunError> {
    let file = folder.join(name);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|e| fault("create", folder, &e))?;
    }
    Ok(file)
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
    // All files of it in one go: there may be very many.
    syncfs(File::open(new)?)?;
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
pub(super) fn files_of(folder: &Path) -> io::Result<BTreeSet<String>> {
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
