//! Tensors into safetensors files, one at a time.

use tch::{Device, Kind, Tensor, no_grad};
use trommel_checkpoint::{CheckpointError, Dtype, SafetensorsWriter, TensorSpec};

/// How a tensor is announced. Kinds that files know are kept.
pub fn spec(name: &str, tensor: &Tensor) -> TensorSpec {
    let extents = tensor.size().into_iter();
    TensorSpec {
        name: name.to_owned(),
        dtype: match tensor.kind() {
            Kind::BFloat16 => Dtype::BF16,
            Kind::Half => Dtype::F16,
            Kind::Double => Dtype::F64,
            _ => Dtype::F32,
        },
        shape: extents.map(|extent| extent as usize).collect(),
    }
}

/// Bytes of a tensor's numbers.
pub fn bytes_of(tensor: &Tensor) -> usize {
    tensor.numel() * tensor.kind().elt_size_in_bytes()
}

/// Writes a tensor that was announced, from whatever device it is on.
pub fn put(
    writer: &mut SafetensorsWriter,
    name: &str,
    tensor: &Tensor,
) -> Result<(), CheckpointError> {
    let tensor = no_grad(|| tensor.detach().to_device(Device::Cpu).contiguous());
    let mut bytes = vec![0; bytes_of(&tensor)];
    tensor.copy_data_u8(&mut bytes, tensor.numel());
    writer.write(name, &bytes)
}
