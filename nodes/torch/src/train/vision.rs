//! Patch features of images: the frozen vision tower's hidden states.
//!
//! Sums come out in another order where a batch has another size, so which images go through the tower together does not depend on
//! what was computed before: a run that is resumed sees the same bits.

use std::collections::HashMap;
use std::error::Error;

use tch::{Device, Kind, Tensor, no_grad};

use super::TrainError;
use crate::models::clip::ClipVision;

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

/// The frozen vision tower with its memory.
pub struct PatchFeatures {
    tower: ClipVision,
    layers: usize,
    source: Box<dyn PixelSource>,
    /// Features that were computed; none where there is no room for those of all images.
    kept: Option<HashMap<usize, Tensor>>,
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
        let config = tower.config();
        let error = TrainError::VisionLayer {
            layers: config.num_hidden_layers,
            wanted: layer,
        };
        let layers = config.layers_until(layer).ok_or(error)?;
        let patches = (config.image_size / config.patch_size).pow(2);
        let numbers = (patches * config.hidden_size) as usize * source.count();
        let fits = numbers * tower.kind().elt_size_in_bytes() <= room;
        Ok(Self {
            tower,
            layers,
            source,
            kept: fits.then(HashMap::new),
        })
    }

    /// Width of a patch's features.
    pub fn width(&self) -> i64 {
        self.tower.config().hidden_size
    }

    /// Patches of an image.
    pub fn patches(&self) -> i64 {
        let config = self.tower.config();
        (config.image_size / config.patch_size).pow(2)
    }

    /// The features of these images, `[patches, width]` each, in the given kind. An image asked for twice is computed once.
    pub fn get(
        &mut self,
        images: &[usize],
        kind: Kind,
    ) -> Result<HashMap<usize, Tensor>, TrainError> {
        let is_known = |image: &usize| *image < self.source.count();
        let Some(kept) = self.kept.as_ref().filter(|_| images.iter().all(is_known)) else {
            let mut shown: Vec<usize> = Vec::with_capacity(images.len());
            for &image in images {
                if !shown.contains(&image) {
                    shown.push(image);
                }
            }
            return self.compute(&shown, kind);
        };
        let missing = images.iter().filter(|image| !kept.contains_key(image));
        let mut groups: Vec<usize> = missing.map(|image| image / GROUP).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let end = self.source.count().min((group + 1) * GROUP);
            let together: Vec<usize> = (group * GROUP..end).collect();
            let computed = self.compute(&together, kind)?;
            self.kept.get_or_insert_default().extend(computed);
        }
        let kept = self.kept.get_or_insert_default();
        let find = |&image: &usize| Some((image, kept.get(&image)?.shallow_clone()));
        Ok(images.iter().filter_map(find).collect())
    }

    fn compute(
        &mut self,
        images: &[usize],
        kind: Kind,
    ) -> Result<HashMap<usize, Tensor>, TrainError> {
        if images.is_empty() {
            return Ok(HashMap::new());
        }
        let pixels = self
            .source
            .pixels(images, self.tower.device())
            .map_err(|(image, source)| TrainError::Pixels { image, source })?;
        let config = self.tower.config();
        let (size, channels) = (config.image_size, config.num_channels);
        let expected = vec![images.len() as i64, channels, size, size];
        if pixels.size() != expected {
            return Err(TrainError::PixelShape {
                found: pixels.size(),
                expected,
            });
        }
        let pixels = pixels.to_kind(self.tower.kind());
        let features = no_grad(|| self.tower.hidden_states(&pixels, self.layers).to_kind(kind));
        // A copy of each: a view would keep the whole batch alive.
        let own = |(row, &image): (usize, &usize)| (image, features.get(row as i64).copy());
        Ok(images.iter().enumerate().map(own).collect())
    }
}
