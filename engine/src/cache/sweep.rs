//! What killed processes have left: temporary files and scratch folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::lock::only_user;

/// Where temporary files stand, and the folders of nodes that run.
const FOLDERS: [&str; 2] = ["tmp", "scratch"];

/// Younger ones are left alone, whoever may have made them.
const AGE: Duration = Duration::from_secs(24 * 3600);

/// All that lies there, of which nothing is needed unless somebody uses the cache.
pub(super) fn left_over(root: &Path) -> Vec<PathBuf> {
    let folders = FOLDERS
        .iter()
        .flat_map(|name| fs::read_dir(root.join(name)));
    folders.flatten().flatten().map(|e| e.path()).collect()
}

/// Removes what is older than a day, if nobody uses the cache. It is never an error to leave it.
pub(super) fn sweep_old(root: &Path) {
    let now = SystemTime::now();
    let is_old = |path: &PathBuf| {
        let modified = fs::symlink_metadata(path).and_then(|m| m.modified());
        modified.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > AGE))
    };
    let mut old = left_over(root).into_iter().filter(is_old).peekable();
    if old.peek().is_none() {
        return;
    }
    let Ok(_alone) = only_user(root, false) else {
        return;
    };
    for path in old {
        let _ = remove(&path);
    }
}

/// Removes a file or a folder with all that is in it.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;

    #[test]
    fn old_leftovers_go_when_a_cache_is_opened_that_nobody_uses() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (old, new) = (root.join("tmp/.trommel-old"), root.join("tmp/.trommel-new"));
        let scratch = root.join("scratch/.tmpold");
        for place in ["tmp", "scratch/.tmpold"] {
            fs::create_dir_all(root.join(place)).unwrap();
        }
        for file in [&old, &new, &scratch.join("x")] {
            fs::write(file, "").unwrap();
        }
        let before = SystemTime::now() - AGE - Duration::from_secs(5);
        for path in [&old, &scratch] {
            fs::File::open(path).unwrap().set_modified(before).unwrap();
        }
        let used = crate::cache::lock::use_cache(root, |_| ()).unwrap();
        drop(Cache::open(root).unwrap());
        assert!(old.exists() && scratch.exists());
        drop(used);
        drop(Cache::open(root).unwrap());
        assert!(!old.exists() && !scratch.exists() && new.exists());
    }
}
