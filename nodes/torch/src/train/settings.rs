//! The settings of a training run.

use super::{AdamWConfig, TrainError};
use crate::models::llama::LlamaLayer;
use crate::models::lora::LoraConfig;

/// Which of the model's parameters are trained; the score net always is.
#[derive(Debug, Clone, PartialEq)]
pub enum Trainable {
    /// The language model and the projector. The vision tower stays as it is.
    Full,
    /// The projector, and adapters beside the language model's linear maps.
    Lora(LoraConfig),
    /// The projector.
    Projector,
}

/// Defaults are those of the paper and its published program.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    pub trainable: Trainable,
    /// Tokens of a sample, patches included.
    pub max_length: usize,
    pub epochs: usize,
    /// Samples over which one softmax makes the weights.
    pub batch_size: usize,
    /// Batches whose gradients are averaged into one update.
    pub accumulate: usize,
    pub learning_rate: f64,
    pub warmup_ratio: f64,
    pub optimizer: AdamWConfig,
    /// Gradients are scaled down to this global norm; none: left as they are.
    pub max_grad_norm: Option<f64>,
    /// Decides the order of samples and, where none is given, the initial score net.
    pub seed: u64,
    /// Batches of `unique_idx`, replayed as they stand instead of `epochs` shuffled passes in batches of `batch_size`.
    pub order: Option<Vec<Vec<u64>>>,
    /// How many layers, from the first, forget their activations and compute them again in the backward pass; none: as many as each
    /// batch needs to fit. Changes nothing but memory and time.
    pub recomputed_layers: Option<usize>,
    /// A token id that is left out wherever it stands, see [`crate::models::llava::PackedBatch::new`].
    pub padding: Option<i32>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            trainable: Trainable::Full,
            max_length: 2048,
            epochs: 3,
            batch_size: 16,
            accumulate: 1,
            learning_rate: 2e-5,
            warmup_ratio: 0.03,
            optimizer: AdamWConfig {
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                weight_decay: 0.0,
            },
            max_grad_norm: None,
            seed: 42,
            order: None,
            recomputed_layers: None,
            padding: Some(0),
        }
    }
}

impl TrainConfig {
    /// Refuses what no run can have, before anything is loaded.
    pub fn check(&self) -> Result<(), TrainError> {
        let fail = |setting, value: String, expected| {
            Err(TrainError::Setting {
                setting,
                value,
                expected,
            })
        };
        for (setting, value) in [
            ("max_length", self.max_length),
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("accumulate", self.accumulate),
        ] {
            if value == 0 {
                return fail(setting, value.to_string(), "at least 1");
            }
        }
        for (setting, value) in [
            ("learning_rate", self.learning_rate),
            ("weight_decay", self.optimizer.weight_decay),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                return fail(setting, value.to_string(), "a number of at least 0");
            }
        }
        if !(0.0..=1.0).contains(&self.warmup_ratio) {
            return fail(
                "warmup_ratio",
                self.warmup_ratio.to_string(),
                "a number from 0 to 1",
            );
        }
        if let Trainable::Lora(lora) = &self.trainable {
            if lora.rank < 1 {
                return fail("lora.rank", lora.rank.to_string(), "at least 1");
            }
            if !(lora.alpha > 0.0 && lora.alpha.is_finite()) {
                return fail("lora.alpha", lora.alpha.to_string(), "a number above 0");
            }
            let known = |target: &String| LlamaLayer::MAPS.iter().any(|map| ends_in(map, target));
            if let Some(unknown) = lora.targets.iter().find(|target| !known(target)) {
                return fail(
                    "lora.targets",
                    unknown.clone(),
                    "some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj",
                );
            }
            if lora.targets.is_empty() {
                return fail("lora.targets", "empty".to_owned(), "at least one map");
            }
        }
        match self.max_grad_norm {
            Some(norm) if !(norm > 0.0 && norm.is_finite()) => fail(
                "max_grad_norm",
                norm.to_string(),
                "a number above 0, or none for no clipping",
            ),
            _ => Ok(()),
        }
    }
}

/// Whether the map of this name is meant by its last part.
pub(super) fn ends_in(map: &str, target: &str) -> bool {
    map.rsplit('.').next() == Some(target)
}
