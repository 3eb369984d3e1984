//! The models and the trainer, over libtorch. The only crate of the house that links it.
//!
//! Invariants: `models` does no input or output and knows no Arrow; `train` knows tensors, samples and numbers, no files.

pub mod models;
pub mod train;
pub mod weights;
