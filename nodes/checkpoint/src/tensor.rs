//! One tensor as read: type, shape and bytes, and its values as 32-bit floats.

use std::borrow::Cow;

use half::{bf16, f16};

use crate::dtype::Dtype;
use crate::error::CheckpointError;

/// A tensor of a checkpoint: contiguous, row-major, little-endian. The bytes may stand at any address (unaligned).
#[derive(Clone, Debug)]
pub struct TensorView<'a> {
    pub dtype: Dtype,
    pub shape: &'a [usize],
    pub data: Cow<'a, [u8]>,
}

impl TensorView<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The values as f32: exact from F16, BF16 and F32, rounded to nearest from F64. Other types are an error.
    pub fn to_f32(&self) -> Result<Vec<f32>, CheckpointError> {
        let data = self.data.as_ref();
        match self.dtype {
            Dtype::F16 => Ok(values(data, |b| f16::from_le_bytes(b).to_f32())),
            Dtype::BF16 => Ok(values(data, |b| bf16::from_le_bytes(b).to_f32())),
            Dtype::F32 => Ok(values(data, f32::from_le_bytes)),
            Dtype::F64 => Ok(values(data, |b| f64::from_le_bytes(b) as f32)),
            dtype => Err(CheckpointError::NotFloat { dtype }),
        }
    }
}

fn values<const SIZE: usize>(data: &[u8], read: impl Fn([u8; SIZE]) -> f32) -> Vec<f32> {
    data.as_chunks::<SIZE>()
        .0
        .iter()
        .map(|bytes| read(*bytes))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(dtype: Dtype, data: &[u8]) -> TensorView<'_> {
        TensorView {
            dtype,
            shape: &[1],
            data: Cow::Borrowed(data),
        }
    }

    #[test]
    fn reads_each_float_type() {
        let value = -1.625_f32;
        let of = |dtype, data: &[u8]| view(dtype, data).to_f32().unwrap();
        assert_eq!(of(Dtype::F32, &value.to_le_bytes()), [value]);
        assert_eq!(of(Dtype::F64, &f64::from(value).to_le_bytes()), [value]);
        assert_eq!(of(Dtype::F16, &f16::from_f32(value).to_le_bytes()), [value]);
        assert_eq!(
            of(Dtype::BF16, &bf16::from_f32(value).to_le_bytes()),
            [value]
        );
    }

    #[test]
    fn refuses_integers() {
        let error = view(Dtype::I64, &[0; 8]).to_f32().unwrap_err().to_string();
        assert!(error.contains("I64"), "{error}");
    }
}
