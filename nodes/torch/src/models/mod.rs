//! The models: one readable file each, with the weight names of their published checkpoints. No input or output, no Arrow.

use tch::Tensor;

pub mod blip;
pub mod clip;
pub mod config;
pub(crate) mod encoder;
pub mod layers;
pub mod llama;
pub mod llava;
pub mod lora;
pub mod siglip;

/// One trainable tensor of a model. `value` shares its storage with the model: changing it in place changes the model.
#[derive(Debug)]
pub struct Parameter {
    /// As it stands in checkpoints.
    pub name: String,
    pub value: Tensor,
    /// Whether weight decay applies: to matrices, not to norms and biases.
    pub decays: bool,
}

impl Parameter {
    pub fn new(name: impl Into<String>, value: &Tensor, decays: bool) -> Self {
        Self {
            name: name.into(),
            value: value.shallow_clone(),
            decays,
        }
    }
}
