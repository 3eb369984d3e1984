//! Which files were there when a node ran, and whether that still holds.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::fast_map::FastMap;

/// Beyond so many files of one folder, listing it once is cheaper than asking for each.
const WORTH_LISTING: usize = 64;

/// Whether files were there when a node ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Existence(pub Vec<(PathBuf, bool)>);

impl Existence {
    pub fn still_holds(&self) -> bool {
        let mut folders: HashMap<&Path, Vec<(&Path, bool)>> = HashMap::new();
        for (path, existed) in &self.0 {
            let folder = path.parent().unwrap_or(path);
            folders.entry(folder).or_default().push((path, *existed));
        }
        folders.into_iter().all(|(folder, files)| {
            if files.len() < WORTH_LISTING {
                return files
                    .iter()
                    .all(|(path, existed)| path.exists() == *existed);
            }
            let there = listed(folder);
            let exists = |path: &Path| {
                let name = path.file_name().unwrap_or(OsStr::new(".."));
                // What is in the folder may be a link to nowhere; what is no plain name is asked for.
                match there.get(name) {
                    Some(Sort::Plain) => true,
                    None if name != ".." => false,
                    _ => path.exists(),
                }
            };
            files.iter().all(|(path, existed)| exists(path) == *existed)
        })
    }
}

#[derive(Clone, Copy)]
enum Sort {
    Plain,
    Link,
}

/// The names in a folder; none where it cannot be read.
fn listed(folder: &Path) -> FastMap<OsString, Sort> {
    let Ok(entries) = fs::read_dir(folder) else {
        return FastMap::default();
    };
    let entries = entries.flatten().map(|entry| {
        let plain = entry.file_type().is_ok_and(|t| !t.is_symlink());
        let sort = if plain { Sort::Plain } else { Sort::Link };
        (entry.file_name(), sort)
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_files_of_a_folder_are_seen_as_each_would_be() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut files = Vec::new();
        for number in 0..2 * WORTH_LISTING {
            let path = at(&number.to_string());
            if number % 2 == 0 {
                fs::write(&path, "").unwrap();
            }
            files.push((path, number % 2 == 0));
        }
        std::os::unix::fs::symlink("nowhere", at("dead")).unwrap();
        std::os::unix::fs::symlink("0", at("alive")).unwrap();
        files.extend([(at("dead"), false), (at("alive"), true)]);
        let existence = Existence(files);
        assert!(existence.still_holds());
        fs::write(at("1"), "").unwrap();
        assert!(!existence.still_holds());
        fs::remove_file(at("1")).unwrap();
        assert!(existence.still_holds());
        fs::remove_file(at("0")).unwrap();
        assert!(!existence.still_holds(), "the file and the link to it");
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(!existence.still_holds());
    }
}
