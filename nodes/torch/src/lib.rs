//! The models and the trainer, over libtorch, and the worker program that serves them. The only crate of the house that links it.
//!
//! Invariants: `models` does no input or output and knows no Arrow; `train` knows tensors, samples and numbers, no files; `work`
//! joins them with files and Arrow tables; only `serve` knows that there is a protocol.

pub mod device;
pub mod models;
pub mod serve;
pub mod shim;
pub mod stop;
pub mod tf32;
pub mod train;
pub mod weights;
pub mod work;
