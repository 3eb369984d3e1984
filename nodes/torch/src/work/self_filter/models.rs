//! Everything that training loads from checkpoints.

use std::path::Path;

use tch::Device;
use trommel_checkpoint::Checkpoint;
use trommel_text::LlamaTokenizer;

use super::pixels::Pixels;
use super::settings::{ImageAspect, Settings};
use crate::models::clip::{ClipVision, ClipVisionConfig};
use crate::models::llama::{Llama, LlamaConfig};
use crate::models::llava::Llava;
use crate::train::{PatchFeatures, TrainError};
use crate::weights;
use crate::work::images::Images;
use crate::work::{WorkError, config_json, in_model};

pub(super) struct Models {
    pub(super) tokenizer: LlamaTokenizer,
    pub(super) images: Images,
    pub(super) tower: ClipVision,
    pub(super) llava: Llava,
    /// The initial score net, where the checkpoint of the language model holds one.
    pub(super) score_net: Option<Vec<f32>>,
    pub(super) padding: i32,
}

/// LLaVA reads the vision tower's second-last hidden state.
pub(super) const VISION_LAYER: i64 = -2;
/// Bytes of patch features that are kept. At LLaVA's size in bf16 that is 4,096 images.
const FEATURE_ROOM: usize = 2 << 30;

impl Models {
    pub(super) fn load(settings: &Settings, device: Device) -> Result<Self, WorkError> {
        let kind = settings.precision.kind();
        let tokenizer = LlamaTokenizer::load(&settings.vlm).map_err(in_model(&settings.vlm))?;

        let folder: &Path = &settings.vision_tower;
        let config =
            ClipVisionConfig::from_json(&config_json(folder)?).map_err(in_model(folder))?;
        let pad = settings.image_aspect == ImageAspect::Pad;
        let images = Images::load(folder, config.image_size, config.num_channels, pad)?;
        let checkpoint = Checkpoint::open(folder).map_err(in_model(folder))?;
        let tower = weights::build(&checkpoint, kind, device, |w| {
            ClipVision::load(&w.at("vision_model"), &config)
        })
        .map_err(in_model(folder))?;

        let folder: &Path = &settings.vlm;
        let config = LlamaConfig::from_json(&config_json(folder)?).map_err(in_model(folder))?;
        let checkpoint = Checkpoint::open(folder).map_err(in_model(folder))?;
        let llama = weights::build(&checkpoint, kind, device, |w| Llama::load(w, &config))
            .map_err(in_model(folder))?;
        let score_net = checkpoint
            .get("score_net.weight")
            .map(|weight| weight.to_f32())
            .transpose()
            .map_err(in_model(folder))?;

        let file: &Path = &settings.projector;
        let checkpoint = Checkpoint::open(file).map_err(in_model(file))?;
        let width = tower.config().hidden_size;
        let llava = weights::build(&checkpoint, kind, device, |w| Llava::new(llama, w, width))
            .map_err(in_model(file))?;
        Ok(Self {
            padding: i32::try_from(tokenizer.pad()).unwrap_or(-1),
            tokenizer,
            images,
            tower,
            llava,
            score_net,
        })
    }
}

pub(super) fn patches(tower: ClipVision, source: Pixels) -> Result<PatchFeatures, TrainError> {
    PatchFeatures::new(tower, VISION_LAYER, Box::new(source), FEATURE_ROOM)
}
