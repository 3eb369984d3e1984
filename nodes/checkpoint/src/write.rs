//! Writes safetensors files: complete or not at all.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use crate::dtype::Dtype;
use crate::error::CheckpointError;

/// The header's key for what is no tensor.
const METADATA: &str = "__metadata__";

/// A tensor to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
}

/// Writes a safetensors file tensor by tensor, so that a large checkpoint never stands in memory as a whole.
/// The bytes go to a temporary file beside the target; [`SafetensorsWriter::finish`] renames it into place.
/// Dropped before that, it leaves nothing behind.
#[derive(Debug)]
pub struct SafetensorsWriter {
    path: PathBuf,
    file: NamedTempFile,
    /// Place and length in bytes of each tensor not written yet.
    missing: HashMap<String, (u64, usize)>,
}

/// Writes tensors that are at hand. `data` is row-major and little-endian.
pub fn write_safetensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (TensorSpec, Cow<'a, [u8]>)>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), CheckpointError> {
    let (specs, data): (Vec<_>, Vec<_>) = tensors.into_iter().unzip();
    let mut writer = SafetensorsWriter::create(path, specs.clone(), metadata)?;
    for (spec, bytes) in specs.iter().zip(&data) {
        writer.write(&spec.name, bytes)?;
    }
    writer.finish()
}

impl SafetensorsWriter {
    /// Lays the file out. Tensors stand by falling element size, so that each starts at a multiple of its own.
    pub fn create(
        path: &Path,
        mut specs: Vec<TensorSpec>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, CheckpointError> {
        specs.sort_by_key(|spec| std::cmp::Reverse(spec.dtype.size()));
        let mut header = Map::new();
        if !metadata.is_empty() {
            header.insert(METADATA.into(), json!(metadata));
        }
        let mut missing = HashMap::new();
        let mut end: usize = 0;
        for spec in &specs {
            if spec.name == METADATA {
                return Err(refuse(path, format!("the name `{METADATA}` is reserved")));
            }
            let start = end;
            let bytes = spec
                .shape
                .iter()
                .try_fold(spec.dtype.size(), |bytes, extent| {
                    bytes.checked_mul(*extent)
                });
            end = bytes
                .and_then(|bytes| start.checked_add(bytes))
                .ok_or_else(|| refuse(path, format!("the shape of `{}` overflows", spec.name)))?;
            let entry = json!({"dtype": spec.dtype.name(), "shape": spec.shape, "data_offsets": [start, end]});
            if header.insert(spec.name.clone(), entry).is_some() {
                return Err(refuse(
                    path,
                    format!("two tensors are named `{}`", spec.name),
                ));
            }
            missing.insert(spec.name.clone(), (start as u64, end - start));
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        for (start, _) in missing.values_mut() {
            *start += 8 + header.len() as u64;
        }

        let folder = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        builder.prefix(".writing-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder
            .tempfile_in(folder)
            .map_err(io(path, "create a file beside"))?;
        let mut writer = SafetensorsWriter {
            path: path.to_path_buf(),
            file,
            missing,
        };
        writer.put(&(header.len() as u64).to_le_bytes())?;
        writer.put(&header)?;
        Ok(writer)
    }

    /// Writes one tensor's bytes. Each tensor is written once, in any order.
    pub fn write(&mut self, name: &str, data: &[u8]) -> Result<(), CheckpointError> {
        let Some((start, length)) = self.missing.remove(name) else {
            return Err(refuse(
                &self.path,
                format!("`{name}` was not announced, or is written twice"),
            ));
        };
        if data.len() != length {
            return Err(refuse(
                &self.path,
                format!(
                    "`{name}` has {} bytes, its shape and type need {length}",
                    data.len()
                ),
            ));
        }
        self.file
            .seek(SeekFrom::Start(start))
            .map_err(io(&self.path, "write"))?;
        self.put(data)
    }

    /// Puts the finished file in its place, over one of the same name. It outlasts a power cut from then on.
    pub fn finish(self) -> Result<(), CheckpointError> {
        if let Some(name) = self.missing.keys().min() {
            return Err(refuse(
                &self.path,
                format!(
                    "{} of its tensors were not written, `{name}` among them",
                    self.missing.len()
                ),
            ));
        }
        self.file
            .as_file()
            .sync_data()
            .map_err(io(&self.path, "flush"))?;
        self.file
            .persist(&self.path)
            .map_err(|e| io(&self.path, "put in place")(e.error))?;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), CheckpointError> {
        self.file.write_all(bytes).map_err(io(&self.path, "write"))
    }
}

fn refuse(path: &Path, reason: String) -> CheckpointError {
    CheckpointError::Write {
        path: path.to_path_buf(),
        reason,
    }
}

fn io(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> CheckpointError {
    move |source| CheckpointError::Io {
        path: path.to_path_buf(),
        action,
        source,
    }
}
