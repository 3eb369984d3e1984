//! Safetensors files: what was recorded, and inputs made from it.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// A tensor as f32, row-major.
pub(super) struct Tensor {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl Tensor {
    /// A tensor of f32 or of small integers.
    pub(super) fn read(path: &Path, name: &str) -> Self {
        let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let tensor = file.tensor(name).expect("the tensor");
        let values = match tensor.dtype() {
            Dtype::F32 => tensor
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")))
                .collect(),
            Dtype::I8 => tensor
                .data()
                .iter()
                .map(|&b| f32::from(i8::from_le_bytes([b])))
                .collect(),
            other => panic!("{name} is {other:?}"),
        };
        Self {
            shape: tensor.shape().to_vec(),
            values,
        }
    }

    /// The bytes of a file with this one tensor.
    pub(super) fn file(&self, name: &str) -> Vec<u8> {
        let bytes: Vec<u8> = self.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, self.shape.clone(), &bytes).expect("a tensor");
        safetensors::serialize([(name, view)], None).expect("a safetensors file")
    }
}

/// The names of a file's tensors.
pub(super) fn names(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    file.names().into_iter().map(str::to_owned).collect()
}
