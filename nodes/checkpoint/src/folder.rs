//! Which files make up a checkpoint: one file, a folder with one, or the shards that an index lists.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::error::CheckpointError;

/// Names within a folder, in the order of preference. The index files are JSON.
const NAMES: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// The files of a checkpoint.
pub(crate) struct Parts {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) index: Option<Index>,
}

/// The index of a sharded checkpoint.
pub(crate) struct Index {
    pub(crate) path: PathBuf,
    /// Tensor name to the file name of its shard.
    pub(crate) shard_of: BTreeMap<String, String>,
}

/// Finds the files of the checkpoint at `path`, a folder or a file.
pub(crate) fn resolve(path: &Path) -> Result<Parts, CheckpointError> {
    if path.is_file() {
        return if path.extension().is_some_and(|e| e == "json") {
            shards(path)
        } else {
            Ok(single(path.to_path_buf()))
        };
    }
    if !path.is_dir() {
        return Err(CheckpointError::NotFound {
            path: path.to_path_buf(),
        });
    }
    match NAMES
        .map(|name| path.join(name))
        .into_iter()
        .find(|p| p.is_file())
    {
        Some(file) if file.extension().is_some_and(|e| e == "json") => shards(&file),
        Some(file) => Ok(single(file)),
        None => Err(CheckpointError::NoneInFolder {
            folder: path.to_path_buf(),
            looked_for: NAMES.join(", "),
        }),
    }
}

fn single(file: PathBuf) -> Parts {
    Parts {
        files: vec![file],
        index: None,
    }
}

fn shards(path: &Path) -> Result<Parts, CheckpointError> {
    #[derive(Deserialize)]
    struct Content {
        weight_map: BTreeMap<String, String>,
    }
    let wrong = |reason: String| CheckpointError::Index {
        path: path.to_path_buf(),
        reason,
    };
    let text = std::fs::read(path).map_err(|source| CheckpointError::Io {
        path: path.to_path_buf(),
        action: "read",
        source,
    })?;
    let content: Content = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
    let mut files: Vec<PathBuf> = Vec::new();
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut names: Vec<&String> = content.weight_map.values().collect();
    names.sort();
    names.dedup();
    for name in names {
        // An index is data from elsewhere: it may name neighbours only.
        let mut components = Path::new(name).components();
        let plain = matches!(components.next(), Some(Component::Normal(_)));
        if !plain || components.next().is_some() {
            return Err(wrong(format!("`{name}` is not a file name of this folder")));
        }
        let shard = folder.join(name);
        if !shard.is_file() {
            return Err(wrong(format!(
                "the shard {name} that it lists is not there"
            )));
        }
        files.push(shard);
    }
    if files.is_empty() {
        return Err(wrong("its weight_map is empty".into()));
    }
    Ok(Parts {
        files,
        index: Some(Index {
            path: path.to_path_buf(),
            shard_of: content.weight_map,
        }),
    })
}
