//! A checkpoint's folder: which of the known models it holds, and all that belongs to it.

use std::path::Path;

use serde::Deserialize;
use tch::{Device, Kind, Tensor};
use trommel_checkpoint::Checkpoint;
use trommel_text::{ClipTokenizer, SiglipTokenizer};

use super::words::Encode;
use crate::models::clip::{Clip, ClipConfig};
use crate::models::siglip::{Siglip, SiglipConfig};
use crate::weights::{self, Weights};
use crate::work::images::Images;
use crate::work::{WorkError, config_json, in_model};

/// Two towers whose embeddings lie in one space.
pub(super) trait Towers {
    /// `[B, 3, H, W]` -> `[B, width]`, not normalised.
    fn image_features(&self, pixels: &Tensor) -> Tensor;
    /// int64 `[B, L]`, filled up behind each row's length, and the lengths `[B]` -> `[B, width]`, not normalised.
    fn text_features(&self, ids: &Tensor, lengths: &Tensor) -> Tensor;
}

/// What a checkpoint's folder holds.
pub(super) struct Loaded {
    pub(super) towers: Box<dyn Towers>,
    pub(super) images: Images,
    pub(super) encode: Encode,
    /// What token ids are below.
    pub(super) vocabulary: i64,
    /// The most tokens of a text.
    pub(super) positions: usize,
    /// The tokens of an image, about.
    pub(super) image_tokens: usize,
    /// Components of an embedding.
    pub(super) width: usize,
}

/// The key of `config.json` that says what the model is. The oldest CLIP files lack it.
#[derive(Deserialize)]
struct Type {
    #[serde(default = "clip")]
    model_type: String,
}

fn clip() -> String {
    "clip".into()
}

pub(super) fn load(folder: &Path, kind: Kind, device: Device) -> Result<Loaded, WorkError> {
    let config = config_json(folder)?;
    let Type { model_type } = serde_json::from_str(&config).map_err(in_model(folder))?;
    match model_type.as_str() {
        "clip" => load_clip(folder, &config, kind, device),
        "siglip" => load_siglip(folder, &config, kind, device),
        _ => Err(WorkError::ModelType {
            folder: folder.to_owned(),
            found: model_type,
        }),
    }
}

fn load_clip(folder: &Path, config: &str, kind: Kind, device: Device) -> Result<Loaded, WorkError> {
    let config = ClipConfig::from_json(config).map_err(in_model(folder))?;
    let positions = config.text.max_position_embeddings as usize;
    let tokenizer = ClipTokenizer::load(folder, positions).map_err(in_model(folder))?;
    let (size, channels) = (config.vision.image_size, config.vision.num_channels);
    Ok(Loaded {
        images: Images::load(folder, size, channels, false)?,
        towers: build(folder, kind, device, |w| Clip::load(w, &config))?,
        encode: Box::new(move |text| tokenizer.encode(text)),
        vocabulary: config.text.vocab_size,
        positions,
        image_tokens: config.vision.patches() as usize,
        width: config.projection_dim as usize,
    })
}

fn load_siglip(
    folder: &Path,
    config: &str,
    kind: Kind,
    device: Device,
) -> Result<Loaded, WorkError> {
    let config = SiglipConfig::from_json(config).map_err(in_model(folder))?;
    let positions = config.text.max_position_embeddings as usize;
    let tokenizer = SiglipTokenizer::load(folder, positions).map_err(in_model(folder))?;
    let (size, channels) = (config.vision.image_size, config.vision.num_channels);
    Ok(Loaded {
        images: Images::load(folder, size, channels, false)?,
        towers: build(folder, kind, device, |w| Siglip::load(w, &config))?,
        encode: Box::new(move |text| tokenizer.encode(text)),
        vocabulary: config.text.vocab_size,
        positions,
        image_tokens: config.vision.patches() as usize,
        width: config.text.projection_size as usize,
    })
}

fn build<T: Towers + 'static>(
    folder: &Path,
    kind: Kind,
    device: Device,
    model: impl FnOnce(&Weights<'_>) -> T,
) -> Result<Box<dyn Towers>, WorkError> {
    let checkpoint = Checkpoint::open(folder).map_err(in_model(folder))?;
    let towers = weights::build(&checkpoint, kind, device, model).map_err(in_model(folder))?;
    Ok(Box::new(towers))
}

impl Towers for Clip {
    fn image_features(&self, pixels: &Tensor) -> Tensor {
        self.image_features(pixels)
    }

    fn text_features(&self, ids: &Tensor, lengths: &Tensor) -> Tensor {
        self.text_features(ids, lengths)
    }
}

impl Towers for Siglip {
    fn image_features(&self, pixels: &Tensor) -> Tensor {
        self.image_features(pixels)
    }

    fn text_features(&self, ids: &Tensor, _: &Tensor) -> Tensor {
        self.text_features(ids)
    }
}
