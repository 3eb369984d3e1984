//! A checkpoint: named tensors over one or more mapped files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::dtype::Dtype;
use crate::entry::Entry;
use crate::error::CheckpointError;
use crate::tensor::TensorView;
use crate::{folder, map, safetensors_file, torch};

/// An open checkpoint. Its tensors stay in the files until they are asked for.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<PathBuf>,
    maps: Vec<Mmap>,
    /// Entry and the map it lies in, in the order of the files.
    entries: Vec<(usize, Entry)>,
    by_name: HashMap<String, usize>,
}

impl Checkpoint {
    /// Opens a folder (the first that exists of model.safetensors, model.safetensors.index.json, `pytorch_model.bin`,
    /// `pytorch_model.bin.index.json`) or one file (.safetensors, .bin, .pt, .pth).
    pub fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let parts = folder::resolve(path)?;
        let mut checkpoint = Checkpoint {
            path: path.to_path_buf(),
            files: parts.index.iter().map(|index| index.path.clone()).collect(),
            maps: Vec::new(),
            entries: Vec::new(),
            by_name: HashMap::new(),
        };
        for file in &parts.files {
            let map = map::map(file)?;
            let entries = read_entries(file, &map)?;
            let shard = file.file_name().and_then(|name| name.to_str());
            for entry in entries {
                // In a sharded checkpoint the index says which shard's copy of a tensor counts.
                let counts = parts.index.as_ref().is_none_or(|index| {
                    index.shard_of.get(&entry.name).map(String::as_str) == shard
                });
                if counts {
                    let at = checkpoint.entries.len();
                    checkpoint.by_name.insert(entry.name.clone(), at);
                    checkpoint.entries.push((checkpoint.maps.len(), entry));
                }
            }
            checkpoint.maps.push(map);
            checkpoint.files.push(file.clone());
        }
        if let Some(index) = parts.index {
            let absent = |(name, _): &(&String, &String)| !checkpoint.by_name.contains_key(*name);
            if let Some((tensor, shard)) = index.shard_of.iter().find(absent) {
                return Err(CheckpointError::NotInShard {
                    path: index.path,
                    tensor: tensor.clone(),
                    shard: shard.clone(),
                });
            }
        }
        Ok(checkpoint)
    }

    /// What was opened: the folder or the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every file that was read: the index, if any, then the files of tensors.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Names of the tensors, in the order in which the files hold them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(_, entry)| entry.name.as_str())
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// A tensor's type, without touching its data.
    pub fn dtype(&self, name: &str) -> Option<Dtype> {
        self.entry(name).map(|(_, entry)| entry.dtype)
    }

    /// A tensor's shape, without touching its data.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entry(name).map(|(_, entry)| entry.shape.as_slice())
    }

    /// A tensor, or none of that name.
    pub fn get(&self, name: &str) -> Option<TensorView<'_>> {
        self.entry(name).map(|(map, entry)| TensorView {
            dtype: entry.dtype,
            shape: &entry.shape,
            data: entry.bytes(&self.maps[*map]),
        })
    }

    /// Gives back the memory of a tensor's bytes, for whoever has copied them. Reading it again reads the file again.
    pub fn release(&self, name: &str) {
        if let Some((map, entry)) = self.entry(name) {
            map::release(&self.maps[*map], entry.span());
        }
    }

    /// A tensor that has to be there; the error names the checkpoint and tensors of similar names.
    pub fn require(&self, name: &str) -> Result<TensorView<'_>, CheckpointError> {
        self.get(name)
            .ok_or_else(|| CheckpointError::MissingTensor {
                path: self.path.clone(),
                tensor: name.to_string(),
                hint: self.hint(name),
            })
    }

    fn entry(&self, name: &str) -> Option<&(usize, Entry)> {
        self.by_name.get(name).map(|at| &self.entries[*at])
    }

    /// The names most like `name`, or how many tensors there are.
    fn hint(&self, name: &str) -> String {
        let mut near: Vec<(f64, &str)> = self
            .names()
            .map(|known| (strsim::jaro_winkler(name, known), known))
            .filter(|(likeness, _)| *likeness > 0.85)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near: Vec<String> = near.iter().take(3).map(|(_, n)| format!("`{n}`")).collect();
        if near.is_empty() {
            format!(" among its {} tensors", self.len())
        } else {
            format!("; similar names there: {}", near.join(", "))
        }
    }
}

fn read_entries(path: &Path, bytes: &[u8]) -> Result<Vec<Entry>, CheckpointError> {
    match path.extension().and_then(|e| e.to_str()) {
        Some("safetensors") => {
            safetensors_file::entries(bytes).map_err(|reason| CheckpointError::Safetensors {
                path: path.to_path_buf(),
                reason,
            })
        }
        Some("bin" | "pt" | "pth") => {
            torch::entries(bytes).map_err(|source| CheckpointError::Torch {
                path: path.to_path_buf(),
                source,
            })
        }
        _ => Err(CheckpointError::UnknownExtension {
            path: path.to_path_buf(),
        }),
    }
}
