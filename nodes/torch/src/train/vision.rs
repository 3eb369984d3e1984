//! Patch features of images: the frozen vision tower's hidden states.
//!
//! Sums come out in another order where a batch has another size, so which images go through the tower together does not depend on
//! what was computed before: a run that is resumed sees the same bits.

use std::collections::HashMap;
use std::error::Error;

use tch::{Device, Kind, Tensor, no_grad};

use super::TrainError;
use crate::models::clip::{ClipVision, ClipVisionConfig};

/// Where the pixels of the images come from; images are numbered from 0 as the samples name them.
pub trait PixelSource: Send {
    /// How many images there are.
    fn count(&self) -> usize;

    /// Pixels as the vision tower's checkpoint wants them (resized, scaled, normalised): float32 `[B, channels, H, W]` on the device. An
    /// error comes with the image that it is about.
    fn pixels(&mut self, images: &[usize], device: Device) -> Result<Tensor, PixelError>;
}

/// An image and what is wrong with it.
pub type PixelError = (usize, Box<dyn Error + Send + Sync>);

/// Images that go through the tower together where all features are kept.
const GROUP: usize = 16;

/// The frozen vision tower, or what it gave of all images.
pub struct PatchFeatures {
    config: ClipVisionConfig,
    layers: usize,
    source: Box<dyn PixelSource>,
    state: State,
}

enum State {
    /// There is no room for the features of all images: those of a batch are computed whenever it comes.
    Each(ClipVision),
    /// There is; they are computed when the first batch comes.
    Ahead(ClipVision),
    /// They are there, and the tower is gone.
    Kept(HashMap<usize, Tensor>),
}

impl PatchFeatures {
    /// `layer`: which hidden state, counted as Python indexes (LLaVA reads -2); `room`: bytes of features that may be kept. Where all
    /// images' features fit, each image goes through the tower once; else once whenever a batch shows it.
    pub fn new(
        tower: ClipVision,
        layer: i64,
        source: Box<dyn PixelSource>,
        room: usize,
    ) -> Result<Self, TrainError> {
        let config = tower.config().clone();
        let error = TrainError::VisionLayer {
            layers: config.num_hidden_layers,
            wanted: layer,
        };
        let layers = config.layers_until(layer).ok_or(error)?;
        let numbers = (config.patches() * config.hidden_size) as usize * source.count();
        let fits = numbers * tower.kind().elt_size_in_bytes() <= room;
        Ok(Self {
            config,
            layers,
            source,
            state: if fits {
                State::Ahead(tower)
            } else {
                State::Each(tower)
            },
        })
    }

    /// Width of a patch's features.
    pub fn width(&self) -> i64 {
        self.config.hidden_size
    }

    /// Patches of an image.
    pub fn patches(&self) -> i64 {
        self.config.patches()
    }

    /// The features of these images, `[patches, width]` each, in the given kind. An image asked for twice is computed once.
    pub fn get(
        &mut self,
        images: &[usize],
        kind: Kind,
    ) -> Result<HashMap<usize, Tensor>, TrainError> {
        let source = &mut *self.source;
        if let State::Ahead(tower) = &self.state {
            let all: Vec<usize> = (0..source.count()).collect();
            let mut kept = HashMap::with_capacity(all.len());
            for together in all.chunks(GROUP) {
                kept.extend(compute(tower, self.layers, source, together, kind)?);
            }
            self.state = State::Kept(kept);
        }
        let mut shown: Vec<usize> = Vec::with_capacity(images.len());
        for &image in images {
            if !shown.contains(&image) {
                shown.push(image);
            }
        }
        match &self.state {
            State::Kept(kept) => {
                let find = |&image: &usize| match kept.get(&image) {
                    Some(features) => Ok((image, features.shallow_clone())),
                    None => Err(TrainError::Pixels {
                        image,
                        source: "there is no such image".into(),
                    }),
                };
                shown.iter().map(find).collect()
            }
            State::Each(tower) | State::Ahead(tower) => {
                compute(tower, self.layers, source, &shown, kind)
            }
        }
    }
}

fn compute(
    tower: &ClipVision,
    layers: usize,
    source: &mut dyn PixelSource,
    images: &[usize],
    kind: Kind,
) -> Result<HashMap<usize, Tensor>, TrainError> {
    if images.is_empty() {
        return Ok(HashMap::new());
    }
    let pixels = source
        .pixels(images, tower.device())
        .map_err(|(image, source)| TrainError::Pixels { image, source })?;
    let config = tower.config();
    let (size, channels) = (config.image_size, config.num_channels);
    let expected = vec![images.len() as i64, channels, size, size];
    if pixels.size() != expected {
        return Err(TrainError::PixelShape {
            found: pixels.size(),
            expected,
        });
    }
    let pixels = pixels.to_kind(tower.kind());
    let features = no_grad(|| tower.hidden_states(&pixels, layers).to_kind(kind));
    // A copy of each: a view would keep the whole batch alive.
    let own = |(row, &image): (usize, &usize)| (image, features.get(row as i64).copy());
    Ok(images.iter().enumerate().map(own).collect())
}
