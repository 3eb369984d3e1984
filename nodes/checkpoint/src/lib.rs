//! Reads and writes checkpoint files: safetensors and torch.save archives.
//!
//! Knows files and bytes only: no libtorch, no model, no Arrow. Files are memory-mapped, so opening a 13 GB checkpoint
//! reads its headers and nothing else. A torch.save archive holds a pickle; the reader here understands the few
//! operations that tensors in dictionaries need, refuses all else by name and never executes anything.

mod checkpoint;
mod dtype;
mod entry;
mod error;
mod folder;
mod map;
mod safetensors_file;
mod tensor;
mod torch;
mod write;

#[cfg(test)]
mod damage_tests;

pub use checkpoint::Checkpoint;
pub use dtype::Dtype;
pub use error::{CheckpointError, TorchError};
pub use tensor::TensorView;
pub use write::{SafetensorsWriter, TensorSpec, write_safetensors};
