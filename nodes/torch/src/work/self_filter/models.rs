//! Everything that training loads from checkpoints.

use std::path::Path;

use tch::Device;
use trommel_checkpoint::Checkpoint;
use trommel_text::LlamaTokenizer;

use super::pixels::Pixels;
use super::settings::Settings;
use crate::models::clip::{ClipVision, ClipVisionConfig};
use crate::models::llama::{Llama, LlamaConfig};
use crate::models::llava::{ImageAspect, Llava, LlavaConfig, Projector};
use crate::train::{PatchFeatures, TrainError};
use crate::weights;
use crate::work::images::Images;
use crate::work::{Events, WorkError, config_json, in_model};

pub(super) struct Models {
    pub(super) tokenizer: LlamaTokenizer,
    pub(super) images: Images,
    pub(super) tower: ClipVision,
    /// Which hidden state of the tower is read, counted as Python indexes.
    pub(super) vision_layer: i64,
    pub(super) llava: Llava,
    /// The initial score net, where the checkpoint of the language model holds one.
    pub(super) score_net: Option<Vec<f32>>,
    pub(super) padding: Option<i32>,
}

/// Bytes of patch features that are kept. At LLaVA's size in bf16 that is 4,096 images.
const FEATURE_ROOM: usize = 2 << 30;

impl Models {
    pub(super) fn load(
        settings: &Settings,
        device: Device,
        events: &mut dyn Events,
    ) -> Result<Self, WorkError> {
        let kind = settings.precision.kind();
        let folder: &Path = &settings.vlm;
        let json = config_json(folder)?;
        let config = LlamaConfig::from_json(&json).map_err(in_model(folder))?;
        check_window(settings.max_length, &config)?;
        let told = LlavaConfig::from_json(&json).map_err(in_model(folder))?;
        warn(&told, settings, events)?;
        let tokenizer = LlamaTokenizer::load(folder).map_err(in_model(folder))?;
        let whole = Checkpoint::open(folder).map_err(in_model(folder))?;
        let own = settings.projector.as_deref().map(Checkpoint::open);
        let own = own.transpose().map_err(in_model(folder_of(settings)))?;
        if own.is_none() {
            let is_in = weights::build(&whole, kind, device, Projector::is_in);
            if !is_in.map_err(in_model(folder))? {
                return Err(no_projector(folder));
            }
        }

        let folder: &Path = &settings.vision_tower;
        let tower = ClipVisionConfig::from_json(&config_json(folder)?).map_err(in_model(folder))?;
        let width = tower.hidden_size;
        if own.is_none() {
            check_width(width, &told)?;
        }
        let pad = settings.image_aspect == ImageAspect::Pad;
        let images = Images::load(folder, tower.image_size, tower.num_channels, pad)?;
        let checkpoint = Checkpoint::open(folder).map_err(in_model(folder))?;
        let tower = weights::build(&checkpoint, kind, device, |w| {
            ClipVision::load(&w.at("vision_model"), &tower)
        })
        .map_err(in_model(folder))?;

        let folder: &Path = &settings.vlm;
        let llama = weights::build(&whole, kind, device, |w| Llama::load(w, &config))
            .map_err(in_model(folder))?;
        let score_net = whole
            .get("score_net.weight")
            .map(|weight| weight.to_f32())
            .transpose()
            .map_err(in_model(folder))?;

        let checkpoint = own.as_ref().unwrap_or(&whole);
        let llava = weights::build(checkpoint, kind, device, |w| Llava::new(llama, w, width))
            .map_err(in_model(folder_of(settings)))?;
        let padding = settings.prompt.padding(&tokenizer);
        Ok(Self {
            padding: padding.map(|id| i32::try_from(id).unwrap_or(-1)),
            tokenizer,
            images,
            tower,
            vision_layer: told.mm_vision_select_layer,
            llava,
            score_net,
        })
    }
}

/// Where the projector is.
fn folder_of(settings: &Settings) -> &Path {
    settings.projector.as_deref().unwrap_or(&settings.vlm)
}

/// Up to the window's length, every token sees all before it, as it does without one.
fn check_window(max_length: usize, config: &LlamaConfig) -> Result<(), WorkError> {
    match config.window() {
        Some(window) if max_length as i64 > window => Err(WorkError::Setting {
            setting: "max_length",
            reason: format!(
                "it is {max_length}, but in this language model a token sees {window} tokens only (sliding_window in its \
                 config.json), which is not supported; give {window} or less"
            ),
        }),
        _ => Ok(()),
    }
}

fn check_width(tower: i64, config: &LlavaConfig) -> Result<(), WorkError> {
    match config.mm_hidden_size {
        Some(width) if width != tower => Err(WorkError::Setting {
            setting: "vision_tower",
            reason: format!(
                "its features are {tower} wide, but the projector of the vlm reads {width} (mm_hidden_size in its config.json): \
                 give the tower that the vlm was trained with, or a projector for this one"
            ),
        }),
        _ => Ok(()),
    }
}

fn no_projector(vlm: &Path) -> WorkError {
    WorkError::Setting {
        setting: "projector",
        reason: format!(
            "none is given, and the vlm in {} holds none (model.mm_projector.weight, or model.mm_projector.0.weight and so on): \
             give LLaVA's mm_projector.bin, or a vlm that is a whole LLaVA",
            vlm.display()
        ),
    }
}

/// What the vlm was trained with and the pipeline does otherwise.
fn warn(told: &LlavaConfig, settings: &Settings, events: &mut dyn Events) -> Result<(), WorkError> {
    let given = settings.image_aspect;
    if let Some(aspect) = told.image_aspect().filter(|aspect| *aspect != given) {
        events.warning(format!(
            "the vlm was trained with `image_aspect: {aspect}` (image_aspect_ratio in its config.json), but the pipeline says {given}"
        ))?;
    }
    if told.mm_use_im_start_end {
        events.warning(
            "the vlm was trained with <im_start> and <im_end> around the image (mm_use_im_start_end in its config.json); here an \
             image stands without them"
                .to_owned(),
        )?;
    }
    Ok(())
}

pub(super) fn patches(
    tower: ClipVision,
    layer: i64,
    source: Pixels,
) -> Result<PatchFeatures, TrainError> {
    PatchFeatures::new(tower, layer, Box::new(source), FEATURE_ROOM)
}
