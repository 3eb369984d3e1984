//! Tensors of a checkpoint, asked for by name and shape. What is missing or misshapen is gathered and reported all at once.

use std::cell::RefCell;
use std::fmt::{self, Display};
use std::path::PathBuf;

use tch::{Device, Kind, Tensor};
use thiserror::Error;
use trommel_checkpoint::{Checkpoint, Dtype, TensorView};

pub mod write;

/// Every tensor of one checkpoint that a model needs and could not have.
#[derive(Debug, Error)]
#[error("the weights in {path:?} do not fit the model:{}", lines(.problems))]
pub struct WeightsError {
    pub path: PathBuf,
    pub problems: Vec<Problem>,
}

/// What is wrong with one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    Missing {
        name: String,
        expected: Vec<i64>,
        near: Vec<String>,
    },
    Shape {
        name: String,
        expected: Vec<i64>,
        found: Vec<i64>,
    },
    Dtype {
        name: String,
        found: String,
    },
}

/// A place in a checkpoint: names asked for are taken below its prefix.
pub struct Weights<'a> {
    source: &'a Source<'a>,
    prefix: String,
}

struct Source<'a> {
    checkpoint: &'a Checkpoint,
    kind: Kind,
    device: Device,
    problems: RefCell<Vec<Problem>>,
}

/// Builds a model from a checkpoint. The model's constructor asks for its tensors one by one and always gets one; if any of
/// them was not right, the model is thrown away and the error names each.
pub fn build<M>(
    checkpoint: &Checkpoint,
    kind: Kind,
    device: Device,
    model: impl FnOnce(&Weights<'_>) -> M,
) -> Result<M, WeightsError> {
    let source = Source {
        checkpoint,
        kind,
        device,
        problems: RefCell::default(),
    };
    let model = model(&Weights {
        source: &source,
        prefix: String::new(),
    });
    let problems = source.problems.into_inner();
    if problems.is_empty() {
        Ok(model)
    } else {
        Err(WeightsError {
            path: checkpoint.path().to_path_buf(),
            problems,
        })
    }
}

impl Weights<'_> {
    /// The place `name` below this one (`layers.3` below `model` is `model.layers.3`).
    #[must_use]
    pub fn at(&self, name: impl Display) -> Self {
        Self {
            source: self.source,
            prefix: self.full(name),
        }
    }

    /// The kind that the model is built for.
    pub fn kind(&self) -> Kind {
        self.source.kind
    }

    /// Whether the checkpoint has a tensor of that name here.
    pub fn has(&self, name: &str) -> bool {
        self.source.checkpoint.contains(&self.full(name))
    }

    /// The tensor `name`, in the kind and on the device that the model is built for. A tensor that does not fit is recorded
    /// and an empty one stands in for it: [`build`] never lets a model with such a tensor out.
    pub fn tensor(&self, name: &str, shape: &[i64]) -> Tensor {
        self.tensor_of(self.source.kind, name, shape)
    }

    /// The same in another kind.
    pub fn tensor_of(&self, kind: Kind, name: &str, shape: &[i64]) -> Tensor {
        let name = self.full(name);
        let problem = match self.source.checkpoint.get(&name) {
            None => Problem::Missing {
                near: self.near(&name),
                name,
                expected: shape.to_vec(),
            },
            Some(view) => {
                let found = shape_of(&view);
                match float_kind(view.dtype) {
                    None => Problem::Dtype {
                        name,
                        found: view.dtype.to_string(),
                    },
                    Some(_) if found != shape => Problem::Shape {
                        name,
                        expected: shape.to_vec(),
                        found,
                    },
                    Some(stored) => {
                        let tensor = copied(&view.data, &found, stored, (kind, self.source.device));
                        self.source.checkpoint.release(&name);
                        return tensor;
                    }
                }
            }
        };
        self.source.problems.borrow_mut().push(problem);
        Tensor::zeros(vec![0; shape.len()], (kind, self.source.device))
    }

    fn full(&self, name: impl Display) -> String {
        if self.prefix.is_empty() {
            name.to_string()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }

    /// Names that end alike: the usual fault is a prefix that another program added or left out.
    fn near(&self, name: &str) -> Vec<String> {
        let tail: Vec<&str> = name.rsplit('.').take(3).collect();
        let alike = |other: &&str| other.rsplit('.').take(tail.len()).eq(tail.iter().copied());
        self.source
            .checkpoint
            .names()
            .filter(alike)
            .take(2)
            .map(str::to_owned)
            .collect()
    }
}

/// A tensor of numbers as they stand in a file, converted on the way. The file's own memory is read: copies of its tensors, gone
/// as soon as they are converted, would leave holes between the tensors that stay, half of a model together.
fn copied(bytes: &[u8], shape: &[i64], stored: Kind, (kind, device): (Kind, Device)) -> Tensor {
    // The numbers of a file may stand at any address; such ones are copied first.
    if !bytes
        .as_ptr()
        .addr()
        .is_multiple_of(stored.elt_size_in_bytes())
    {
        let copy = Tensor::from_data_size(bytes, shape, stored);
        return copy.to_device(device).to_kind(kind);
    }
    let mut tensor = Tensor::empty(shape, (kind, device));
    tensor.copy_(&borrowed(bytes, shape, stored));
    tensor
}

/// A tensor over memory of somebody else, to be read while `bytes` is borrowed and no longer.
#[expect(unsafe_code, reason = "a view of foreign memory; see SAFETY")]
fn borrowed(bytes: &[u8], shape: &[i64], kind: Kind) -> Tensor {
    let count: i64 = shape.iter().product();
    assert_eq!(count as usize * kind.elt_size_in_bytes(), bytes.len());
    let mut strides = vec![1; shape.len()];
    for n in (1..shape.len()).rev() {
        strides[n - 1] = strides[n] * shape[n];
    }
    // SAFETY: the tensor covers `bytes` exactly, whose address is a multiple of the number's size. Its only user copies out of it and
    // drops it before `bytes` can go; nothing writes to it.
    unsafe { Tensor::from_blob(bytes.as_ptr(), shape, &strides, kind, Device::Cpu) }
}

fn shape_of(view: &TensorView<'_>) -> Vec<i64> {
    view.shape.iter().map(|&n| n as i64).collect()
}

fn float_kind(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F64 => Some(Kind::Double),
        _ => None,
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing {
                name,
                expected,
                near,
            } => {
                write!(f, "{name} of shape {expected:?} is missing")?;
                if near.is_empty() {
                    Ok(())
                } else {
                    write!(f, " (there is {})", near.join(", "))
                }
            }
            Self::Shape {
                name,
                expected,
                found,
            } => {
                write!(
                    f,
                    "{name} has shape {found:?}, expected {expected:?}: does config.json belong to these weights?"
                )
            }
            Self::Dtype { name, found } => {
                write!(f, "{name} holds {found}, expected floating-point numbers")
            }
        }
    }
}

/// A checkpoint of the wrong architecture misses hundreds of tensors; the first ones tell the story.
const SHOWN: usize = 12;

fn lines(problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems
        .iter()
        .take(SHOWN)
        .map(|problem| format!("\n  - {problem}"))
        .collect();
    if problems.len() > SHOWN {
        lines.push(format!("\n  - and {} more", problems.len() - SHOWN));
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use trommel_checkpoint::{TensorSpec, write_safetensors};

    use super::*;

    fn checkpoint(folder: &tempfile::TempDir) -> Checkpoint {
        let path = folder.path().join("model.safetensors");
        let spec = |name: &str, dtype| TensorSpec {
            name: name.to_owned(),
            dtype,
            shape: vec![2],
        };
        let tensors = [
            (
                spec("a.x.weight", Dtype::F16),
                Cow::Owned(vec![0x00, 0x3c, 0x00, 0xc0]),
            ),
            (spec("a.whole", Dtype::I64), Cow::Owned(vec![0; 16])),
        ];
        write_safetensors(&path, tensors, &BTreeMap::new()).unwrap();
        Checkpoint::open(&path).unwrap()
    }

    #[test]
    fn a_tensor_comes_in_the_kind_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let tensor = build(&checkpoint(&folder), Kind::Float, Device::Cpu, |w| {
            w.at("a").at("x").tensor("weight", &[2])
        });
        assert_eq!(tensor.unwrap(), Tensor::from_slice(&[1f32, -2.0]));
    }

    #[test]
    fn a_tensor_is_converted_wherever_it_stands() {
        let bytes: Vec<u8> = (0..25)
            .flat_map(|n| (n as f32 * 0.37).to_le_bytes())
            .collect();
        let to = (Kind::BFloat16, Device::Cpu);
        for start in 0..4 {
            let bytes = &bytes[start..start + 4 * 24];
            let whole = Tensor::from_data_size(bytes, &[2, 3, 4], Kind::Float);
            let converted = copied(bytes, &[2, 3, 4], Kind::Float, to);
            assert_eq!(
                converted.to_kind(Kind::Float),
                whole.to_kind(to.0).to_kind(Kind::Float)
            );
            assert_eq!(converted.kind(), to.0);
        }
        let one = copied(&bytes[4..8], &[], Kind::Float, to);
        assert_eq!(one.size(), Vec::<i64>::new());
        assert_eq!(copied(&[], &[0, 4], Kind::Float, to).size(), [0, 4]);
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let error = build(&checkpoint(&folder), Kind::Float, Device::Cpu, |w| {
            let a = w.at("a");
            [
                w.tensor("b.x.weight", &[1]),
                a.tensor("x.weight", &[1, 2]),
                a.tensor("whole", &[2]),
            ]
        })
        .unwrap_err();
        assert_eq!(error.problems.len(), 3);
        let text = error.to_string();
        for part in [
            "model.safetensors",
            "b.x.weight of shape [1] is missing",
            "a.x.weight has shape [2], expected [1, 2]",
            "a.whole holds I64",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
