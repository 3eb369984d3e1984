//! Image files as the input of a vision tower.

use std::fs;
use std::path::Path;

use tch::{Device, Kind, Tensor};
use trommel_media::{Preprocess, RgbImage, Tables, crop_u8, decode, pad_to_square};

use super::error::words;
use super::{WorkError, in_model};
use crate::device;

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
    ///
    /// The tower takes images of `size` x `size` pixels and so many channels.
    pub(super) fn load(
        folder: &Path,
        size: i64,
        channels: i64,
        pad: bool,
    ) -> Result<Self, WorkError> {
        let preprocess = Preprocess::load(folder).map_err(in_model(folder))?;
        let side = size as usize;
        let made = preprocess.output_size();
        if channels != 3 || made.is_some_and(|made| made != (side, side)) {
            let (height, width) = made.unwrap_or((side, side));
            return Err(WorkError::ImageSize {
                folder: folder.to_owned(),
                tower: size,
                channels,
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

    /// The part of the image in a file that the tower sees, in bytes; else what is wrong with the file, which is named.
    pub(super) fn read(&self, path: &str) -> Result<RgbImage, String> {
        let bytes = fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
        self.crop(&bytes)
            .map_err(|reason| format!("{path}: {reason}"))
    }

    /// As [`Images::read`], out of the bytes of a file.
    pub(super) fn crop(&self, bytes: &[u8]) -> Result<RgbImage, String> {
        let image = decode(bytes).map_err(|error| words(&error))?;
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
            "the image is {width} x {height} pixels, and preprocessor_config.json does not make it {side} x {side}"
        ))
    }

    /// Several images at once on a device, `[B, 3, H, W]`, float32. A GPU gets the bytes, a quarter of the floats, and makes the
    /// same floats of them.
    pub(super) fn batch(&self, crops: &[RgbImage], device: Device) -> Tensor {
        let (count, side) = (crops.len() as i64, self.side as i64);
        if device == Device::Cpu {
            let mut values = Vec::with_capacity(crops.len() * 3 * self.side * self.side);
            for crop in crops {
                values.extend_from_slice(&self.tables.normalise(crop));
            }
            return Tensor::from_slice(&values).view([count, 3, side, side]);
        }
        let mut bytes = Vec::with_capacity(crops.len() * 3 * self.side * self.side);
        for crop in crops {
            bytes.extend_from_slice(&crop.data);
        }
        let bytes = Tensor::from_slice(&bytes).view([count, side, side, 3]);
        self.normalise(&device::send(&bytes, device))
    }

    /// `[B, H, W, 3]` bytes -> `[B, 3, H, W]` float32, rounded in the same places as the tables are.
    fn normalise(&self, bytes: &Tensor) -> Tensor {
        let plane = |channel: usize| {
            let scaled = bytes.select(3, channel as i64).to_kind(Kind::Double)
                * self.preprocess.scale.unwrap_or(1.0);
            let scaled = scaled.to_kind(Kind::Float);
            let Some((mean, std)) = &self.preprocess.normalise else {
                return scaled;
            };
            let (mean, std) = (mean[channel] as f32, std[channel] as f32);
            // A GPU divides by a number by multiplying with its inverse, which rounds otherwise; by a tensor it divides.
            let std = Tensor::full([1], f64::from(std), (Kind::Float, bytes.device()));
            (scaled - f64::from(mean)) / std
        };
        Tensor::stack(&[0, 1, 2].map(plane), 1)
    }

    /// `[3, H, W]`, float32.
    #[cfg(test)]
    fn pixels(&self, image: &RgbImage) -> Tensor {
        let side = self.side as i64;
        Tensor::from_slice(&self.tables.normalise(image)).view([3, side, side])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::testing::golden;

    #[test]
    fn a_gpu_makes_the_same_floats_of_the_bytes() {
        let images = Images::load(&golden("clip"), 28, 3, false).unwrap();
        // All bytes in all channels.
        let crop = |first: usize| RgbImage {
            width: 28,
            height: 28,
            data: (0..3 * 28 * 28)
                .map(|at| ((first + at) % 256) as u8)
                .collect(),
        };
        let crops = [crop(0), crop(1)];
        let bytes: Vec<u8> = crops.iter().flat_map(|crop| crop.data.clone()).collect();
        let there = images.normalise(&Tensor::from_slice(&bytes).view([2, 28, 28, 3]));
        let here = images.batch(&crops, Device::Cpu);
        assert_eq!(there.size(), [2, 3, 28, 28]);
        assert_eq!(there, here);
        assert_eq!(here.get(1), images.pixels(&crops[1]));
    }
}
