//! The configuration of the training, as the engine sends it.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use trommel_text::Template;

use super::checkpoint::Save;
use crate::models::llava::ImageAspect;
use crate::models::lora::LoraConfig;
use crate::train::{AdamWConfig, TrainConfig, Trainable as Trained};
use crate::work::Precision;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Folder of the language model, absolute as the next two.
    pub(super) vlm: PathBuf,
    /// Folder of a CLIP model.
    pub(super) vision_tower: PathBuf,
    /// File of the projector; null: it is in the language model's folder.
    pub(super) projector: Option<PathBuf>,
    #[serde(deserialize_with = "template")]
    pub(super) prompt: Template,
    pub(super) image_aspect: ImageAspect,
    pub(super) max_length: usize,
    epochs: usize,
    batch_size: usize,
    accumulate: usize,
    learning_rate: f64,
    weight_decay: f64,
    warmup_ratio: f64,
    max_grad_norm: Option<f64>,
    pub(super) precision: Precision,
    trainable: Trainable,
    /// All layers' activations are computed again; else those of as many layers as each batch needs to fit.
    recompute: bool,
    lora: Lora,
    pub(super) save_every: SaveEvery,
    /// What the saved model says besides what it holds; null: it is not saved.
    #[serde(default)]
    pub(super) save: Option<Save>,
    seed: u64,
    pub(super) order: Option<Vec<Vec<u64>>>,
}

/// How often the state of training is saved.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SaveEvery {
    Steps(usize),
    Minutes(f64),
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Trainable {
    Full,
    Lora,
    Projector,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lora {
    rank: i64,
    alpha: f64,
    targets: Vec<String>,
}

impl Settings {
    /// How adapters are made, where they are what is trained.
    pub(super) fn lora(&self) -> Option<LoraConfig> {
        let Lora {
            rank,
            alpha,
            targets,
        } = self.lora.clone();
        matches!(self.trainable, Trainable::Lora).then_some(LoraConfig {
            rank,
            alpha,
            targets,
        })
    }
}

/// What the trainer needs of it.
pub(super) fn train_config(settings: &Settings, padding: Option<i32>) -> TrainConfig {
    TrainConfig {
        trainable: match (settings.lora(), settings.trainable) {
            (Some(lora), _) => Trained::Lora(lora),
            (None, Trainable::Projector) => Trained::Projector,
            (None, _) => Trained::Full,
        },
        max_length: settings.max_length,
        epochs: settings.epochs,
        batch_size: settings.batch_size,
        accumulate: settings.accumulate,
        learning_rate: settings.learning_rate,
        warmup_ratio: settings.warmup_ratio,
        optimizer: AdamWConfig {
            weight_decay: settings.weight_decay,
            ..TrainConfig::default().optimizer
        },
        max_grad_norm: settings.max_grad_norm,
        seed: settings.seed,
        order: settings.order.clone(),
        recomputed_layers: settings.recompute.then_some(usize::MAX),
        padding,
    }
}

fn template<'de, D: Deserializer<'de>>(from: D) -> Result<Template, D::Error> {
    let name = String::deserialize(from)?;
    name.parse().map_err(serde::de::Error::custom)
}
