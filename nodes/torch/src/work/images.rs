//! Image files as the input of a vision tower.

use std::fs;
use std::path::Path;

use tch::Tensor;
use trommel_media::{Preprocess, RgbImage, Tables, crop_u8, decode, pad_to_square};

use super::error::words;
use super::{WorkError, in_model};
use crate::models::clip::ClipVisionConfig;

/// How the images of one vision tower are made ready. Can be shared between threads.
pub(super) struct Images {
    preprocess: Preprocess,
    tables: Tables,
    pad: bool,
    /// Height and width that the tower takes.
    side: usize,
}

impl Images {
    /// As `preprocessor_config.json` in the tower's folder says. With `pad`, images are made square by bars of the mean colour first.
    pub(super) fn load(
        folder: &Path,
        tower: &ClipVisionConfig,
        pad: bool,
    ) -> Result<Self, WorkError> {
        let preprocess = Preprocess::load(folder).map_err(in_model(folder))?;
        let side = tower.image_size as usize;
        let made = preprocess.output_size();
        if tower.num_channels != 3 || made.is_some_and(|made| made != (side, side)) {
            let (height, width) = made.unwrap_or((side, side));
            return Err(WorkError::ImageSize {
                folder: folder.to_owned(),
                tower: tower.image_size,
                channels: tower.num_channels,
                made: format!("{width} x {height}"),
            });
        }
        Ok(Self {
            tables: preprocess.tables(),
            preprocess,
            pad,
            side,
        })
    }

    /// The part of an image that the tower sees, in bytes; else what is wrong with the file, which is named.
    pub(super) fn read(&self, path: &str) -> Result<RgbImage, String> {
        let bytes = fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
        let image = decode(&bytes).map_err(|error| format!("{path}: {}", words(&error)))?;
        let image = if self.pad {
            pad_to_square(image, self.preprocess.mean_colour())
        } else {
            image
        };
        let crop = crop_u8(&image, &self.preprocess);
        if (crop.height, crop.width) == (self.side, self.side) {
            return Ok(crop);
        }
        // Only where the configuration neither crops nor resizes to one size.
        let (width, height, side) = (crop.width, crop.height, self.side);
        Err(format!(
            "{path}: the image is {width} x {height} pixels, and preprocessor_config.json does not make it {side} x {side}"
        ))
    }

    /// `[3, H, W]`, float32.
    pub(super) fn pixels(&self, image: &RgbImage) -> Tensor {
        let side = self.side as i64;
        Tensor::from_slice(&self.tables.normalise(image)).view([3, side, side])
    }
}
