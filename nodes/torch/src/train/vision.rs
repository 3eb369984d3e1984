//! Patch features of images: the frozen vision tower's hidden states, computed once per image and kept while there is room.

use std::collections::HashMap;
use std::error::Error;

use tch::{Kind, Tensor, no_grad};

use super::TrainError;
use crate::models::clip::ClipVision;

/// Where the pixels of the images come from; images are numbered as the samples name them.
pub trait PixelSource: Send {
    /// Pixels as the vision tower's checkpoint wants them (resized, scaled, normalised): float32 `[channels, H, W]`.
    fn pixels(&mut self, image: usize) -> Result<Tensor, Box<dyn Error + Send + Sync>>;
}

/// The frozen vision tower with its memory.
pub struct PatchFeatures {
    tower: ClipVision,
    layers: usize,
    source: Box<dyn PixelSource>,
    kept: HashMap<usize, Tensor>,
    /// Bytes still free for `kept`.
    room: usize,
}

impl PatchFeatures {
    /// `layer`: which hidden state, counted as Python indexes (LLaVA reads -2); `room`: bytes of features that may be kept.
    pub fn new(
        tower: ClipVision,
        layer: i64,
        source: Box<dyn PixelSource>,
        room: usize,
    ) -> Result<Self, TrainError> {
        let config = tower.config();
        let error = TrainError::VisionLayer {
            layers: config.num_hidden_layers,
            wanted: layer,
        };
        let layers = config.layers_until(layer).ok_or(error)?;
        Ok(Self {
            tower,
            layers,
            source,
            kept: HashMap::new(),
            room,
        })
    }

    /// Width of a patch's features.
    pub fn width(&self) -> i64 {
        self.tower.config().hidden_size
    }

    /// The features of these images, `[patches, width]` each, in the given kind. An image asked for twice is computed once.
    pub fn get(
        &mut self,
        images: &[usize],
        kind: Kind,
    ) -> Result<HashMap<usize, Tensor>, TrainError> {
        let mut found = HashMap::new();
        let mut fresh = Vec::new();
        for &image in images {
            match self.kept.get(&image) {
                Some(features) => drop(found.insert(image, features.shallow_clone())),
                None if fresh.contains(&image) => {}
                None => fresh.push(image),
            }
        }
        if fresh.is_empty() {
            return Ok(found);
        }
        let pixels = fresh
            .iter()
            .map(|&image| self.pixels(image))
            .collect::<Result<Vec<_>, _>>()?;
        let pixels = Tensor::stack(&pixels, 0)
            .to_device(self.tower.device())
            .to_kind(self.tower.kind());
        let features = no_grad(|| self.tower.hidden_states(&pixels, self.layers).to_kind(kind));
        for (row, image) in fresh.into_iter().enumerate() {
            // A copy of its own: a view would keep the whole batch alive.
            let own = features.get(row as i64).copy();
            let bytes = own.numel() * kind.elt_size_in_bytes();
            if bytes <= self.room {
                self.room -= bytes;
                self.kept.insert(image, own.shallow_clone());
            }
            found.insert(image, own);
        }
        Ok(found)
    }

    fn pixels(&mut self, image: usize) -> Result<Tensor, TrainError> {
        let pixels = self
            .source
            .pixels(image)
            .map_err(|source| TrainError::Pixels { image, source })?;
        let config = self.tower.config();
        let expected = vec![config.num_channels, config.image_size, config.image_size];
        let found = pixels.size();
        if found == expected {
            Ok(pixels)
        } else {
            Err(TrainError::PixelShape {
                image,
                found,
                expected,
            })
        }
    }
}
