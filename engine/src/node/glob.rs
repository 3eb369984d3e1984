//! Paths that name several files at once: `data/part-*.parquet`.

use std::path::{Path, PathBuf};

use super::reference::DataPath;

/// A file by its path relative to the folder that the search began in, and where it is.
pub(crate) type Found = (String, PathBuf);

impl DataPath {
    /// The files that the path names, in the order of their names: itself, else what its `*`, `?`, `[..]` and `**`
    /// match; else a sentence that says that there are none. Hidden files are not matched by wildcards.
    pub fn files(&self) -> Result<Vec<PathBuf>, String> {
        Ok(self.found()?.into_iter().map(|(_, path)| path).collect())
    }

    /// Whether the path is to be matched rather than opened.
    pub fn is_pattern(&self) -> bool {
        let path = self.path();
        path.to_string_lossy().contains(['*', '?', '[']) && !path.exists()
    }

    /// As [`Self::files`], each with its path below the deepest folder that holds all of them.
    pub fn found(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let path = self.path();
        if path.is_dir() {
            return Err(format!("a folder, not a file: {}", self.shown()));
        }
        let name = |path: &Path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        if path.exists() {
            return Ok(vec![(name(path), path.to_owned())]);
        }
        if !self.is_pattern() {
            return Err(format!("there is no file {}", self.shown()));
        }
        let files = matches(self.place.source.folder(), path)
            .map_err(|reason| format!("{}: {reason}", self.shown()))?;
        if files.is_empty() {
            return Err(format!("no file matches {}", self.shown()));
        }
        let shared = shared_folder(&files);
        let found = files.into_iter().map(|file| {
            let rest = file.strip_prefix(&shared).unwrap_or(&file);
            (rest.to_string_lossy().into_owned(), file)
        });
        Ok(found.collect())
    }
}

/// The files that match; what stands in `folder`'s own name is no wildcard.
fn matches(folder: &Path, path: &Path) -> Result<Vec<PathBuf>, String> {
    let text = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .ok_or("is not UTF-8".to_owned())
    };
    let pattern = match path.strip_prefix(folder) {
        Ok(rest) if !folder.as_os_str().is_empty() => {
            let folder = glob::Pattern::escape(&text(folder)?);
            format!("{folder}/{}", text(rest)?)
        }
        _ => text(path)?,
    };
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        require_literal_separator: true,
        ..glob::MatchOptions::default()
    };
    let mut files = Vec::new();
    for entry in glob::glob_with(&pattern, options).map_err(|e| e.to_string())? {
        let file = entry.map_err(|e| e.to_string())?;
        if file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The deepest folder that holds all files.
fn shared_folder(files: &[PathBuf]) -> PathBuf {
    let mut shared = files[0].parent().unwrap_or(Path::new("")).to_owned();
    while !files.iter().all(|file| file.starts_with(&shared)) {
        shared.pop();
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_are_sorted_and_folders_and_hidden_files_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("data[1]");
        fs::create_dir_all(odd.join("c.txt")).unwrap();
        fs::create_dir_all(odd.join("sub")).unwrap();
        for name in ["b.txt", "a.txt", ".h.txt", "sub/d.txt", "a.csv"] {
            fs::write(odd.join(name), name).unwrap();
        }
        let names = |pattern: &str| -> Vec<PathBuf> {
            let files = matches(&odd, &odd.join(pattern)).unwrap();
            files
                .iter()
                .map(|f| f.strip_prefix(&odd).unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("*.txt"), [Path::new("a.txt"), Path::new("b.txt")]);
        assert_eq!(names("**/[d-z].txt"), [Path::new("sub/d.txt")]);
        assert!(names("*.json").is_empty());
        assert!(matches(&odd, &odd.join("[")).is_err());
        let files = matches(&odd, &odd.join("**/*.txt")).unwrap();
        assert_eq!(shared_folder(&files), odd);
    }
}
