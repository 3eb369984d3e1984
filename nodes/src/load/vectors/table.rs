//! A file of vectors, one per row in the order of `unique_idx`: a matrix in `.safetensors` or `.npy`, or the published
//! program's torch.save dictionary from `"0"`, `"1"`, ... to vectors. Rows are read as they are asked for.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use trommel_checkpoint::{Checkpoint, CheckpointError, Dtype, TensorView};

use super::npy;
use crate::load::positions::Positions;

/// Rows that one error names at most.
const NAMED: usize = 20;

/// Why a file of vectors cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("cannot read {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not a file of vectors: {reason}")]
    Format { path: PathBuf, reason: String },
    #[error("{path} has {found} vectors, but the data set has {rows} rows")]
    Rows {
        path: PathBuf,
        found: usize,
        rows: usize,
    },
    #[error("{path} has values that are no finite numbers in the vectors of unique_idx {rows}")]
    NotFinite { path: PathBuf, rows: String },
}

/// An open file of N vectors of D values.
#[derive(Debug)]
pub struct Vectors {
    path: PathBuf,
    rows: usize,
    dim: usize,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The one tensor of that name, N x D.
    Matrix {
        checkpoint: Checkpoint,
        name: String,
    },
    /// A tensor of D values for each row, named by it.
    Rows {
        checkpoint: Checkpoint,
    },
    Npy {
        dtype: Dtype,
        start: u64,
    },
}

impl Vectors {
    /// Opens the file and checks that it has one vector for each row, and no more unless rows were left out upstream.
    pub fn open(path: &Path, rows: &Positions) -> Result<Vectors, VectorsError> {
        let (found, dim, source) = match path.extension().and_then(|e| e.to_str()) {
            Some("safetensors") => matrix(path)?,
            Some("npy") => npy_file(path)?,
            Some("pt" | "pth" | "bin") => dictionary(path)?,
            _ => {
                return Err(format(
                    path,
                    "its name ends in none of .safetensors, .npy, .pt",
                ));
            }
        };
        if found < rows.end() || (found > rows.end() && rows.is_whole()) {
            return Err(VectorsError::Rows {
                path: path.to_path_buf(),
                found,
                rows: rows.end(),
            });
        }
        if dim == 0 {
            return Err(format(path, "its vectors have no values"));
        }
        Ok(Vectors {
            path: path.to_path_buf(),
            rows: found,
            dim,
            source,
        })
    }

    /// Values of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Some rows (those of the range that there are), row-major, all of them finite.
    pub fn read(&self, rows: Range<usize>) -> Result<Vec<f32>, VectorsError> {
        let rows = rows.start.min(self.rows)..rows.end.min(self.rows);
        let values = match &self.source {
            Source::Matrix { checkpoint, name } => {
                let tensor = checkpoint.require(name)?;
                let row = self.dim * tensor.dtype.size();
                to_f32(tensor.dtype, &tensor.data[rows.start * row..rows.end * row])?
            }
            Source::Rows { checkpoint } => {
                let mut values = Vec::with_capacity(rows.len() * self.dim);
                for row in rows.clone() {
                    values.extend(checkpoint.require(&row.to_string())?.to_f32()?);
                }
                values
            }
            Source::Npy { dtype, start } => {
                let row = self.dim * dtype.size();
                let mut bytes = vec![0; rows.len() * row];
                let place = SeekFrom::Start(start + (rows.start * row) as u64);
                let mut read = || {
                    let mut file = File::open(&self.path)?;
                    file.seek(place)?;
                    file.read_exact(&mut bytes)
                };
                read().map_err(|source| VectorsError::Io {
                    path: self.path.clone(),
                    source,
                })?;
                to_f32(*dtype, &bytes)?
            }
        };
        let wrong: Vec<String> = values
            .chunks(self.dim)
            .zip(rows)
            .filter(|(vector, _)| !vector.iter().all(|value| value.is_finite()))
            .map(|(_, row)| row.to_string())
            .collect();
        if wrong.is_empty() {
            return Ok(values);
        }
        let more = if wrong.len() > NAMED { ", ..." } else { "" };
        Err(VectorsError::NotFinite {
            path: self.path.clone(),
            rows: wrong[..wrong.len().min(NAMED)].join(", ") + more,
        })
    }
}

fn matrix(path: &Path) -> Result<(usize, usize, Source), VectorsError> {
    let checkpoint = Checkpoint::open(path)?;
    let names: Vec<String> = checkpoint.names().map(|name| format!("`{name}`")).collect();
    let [_] = names.as_slice() else {
        let shown = names[..names.len().min(NAMED)].join(", ");
        return Err(format(
            path,
            &format!(
                "it has {} tensors ({shown}); expected one matrix",
                names.len()
            ),
        ));
    };
    let name = checkpoint.names().next().unwrap_or_default().to_string();
    match (checkpoint.shape(&name), checkpoint.dtype(&name)) {
        (Some(&[rows, dim]), Some(dtype)) if dtype.is_float() => {
            Ok((rows, dim, Source::Matrix { checkpoint, name }))
        }
        (shape, dtype) => {
            let dtype = dtype.map_or("", Dtype::name);
            let shape = shape.unwrap_or_default();
            Err(format(
                path,
                &format!("`{name}` is {dtype} {shape:?}; expected floats of shape [rows, values]"),
            ))
        }
    }
}

fn npy_file(path: &Path) -> Result<(usize, usize, Source), VectorsError> {
    let mut file = File::open(path).map_err(|source| VectorsError::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let npy::Header {
        dtype,
        rows,
        dim,
        start,
    } = npy::header(&mut file).map_err(|reason| format(path, &reason))?;
    Ok((rows, dim, Source::Npy { dtype, start }))
}

fn dictionary(path: &Path) -> Result<(usize, usize, Source), VectorsError> {
    let checkpoint = Checkpoint::open(path)?;
    let rows = checkpoint.len();
    let mut dim = None;
    // As many names as rows: if each row has its own, there are no others.
    for row in 0..rows {
        let name = row.to_string();
        match (checkpoint.shape(&name), checkpoint.dtype(&name)) {
            (Some(&[values]), Some(dtype))
                if dtype.is_float() && dim.is_none_or(|dim| dim == values) =>
            {
                dim = Some(values);
            }
            (Some(shape), Some(dtype)) => {
                let expected = dim.map_or("one vector of floats".to_string(), |dim| {
                    format!("floats of shape [{dim}]")
                });
                return Err(format(
                    path,
                    &format!("`{name}` is {dtype} {shape:?}; expected {expected}"),
                ));
            }
            _ => {
                let reason = format!(
                    "it has {rows} tensors, but none named `{name}`; expected `0`, `1`, ... `{}`",
                    rows - 1
                );
                return Err(format(path, &reason));
            }
        }
    }
    Ok((rows, dim.unwrap_or(1), Source::Rows { checkpoint }))
}

fn to_f32(dtype: Dtype, bytes: &[u8]) -> Result<Vec<f32>, CheckpointError> {
    TensorView {
        dtype,
        shape: &[],
        data: Cow::Borrowed(bytes),
    }
    .to_f32()
}

fn format(path: &Path, reason: &str) -> VectorsError {
    VectorsError::Format {
        path: path.to_path_buf(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
