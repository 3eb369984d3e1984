//! From a decoded image to the numbers that a CLIP vision tower reads, as transformers' `CLIPImageProcessor` does it.

use crate::mode::RgbImage;
use crate::preprocess::Preprocess;
use crate::resize::{Window, resize};

/// Resizes and crops, still in bytes. This is all that a model needs of an image: an eighth of the floats in size.
///
/// Where the crop is larger than the image, the rest is black, as in transformers.
pub fn crop_u8(image: &RgbImage, preprocess: &Preprocess) -> RgbImage {
    let (width, height) = match preprocess.resize {
        Some(size) => size.of(image.width, image.height),
        None => (image.width, image.height),
    };
    let (crop_height, crop_width) = preprocess.crop.unwrap_or((height, width));
    let (columns, left) = centre(width, crop_width);
    let (rows, top) = centre(height, crop_height);
    let window = Window { columns, rows };
    let part = resize(image, (width, height), preprocess.filter, &window);
    if (part.width, part.height) == (crop_width, crop_height) {
        return part;
    }
    let mut out = filled(crop_width, crop_height, [0; 3]);
    paste(&mut out, &part, left, top);
    out
}

/// The pixel values of an image: `[3, H, W]`, float32, bit-equal to transformers.
pub fn clip_pixels(image: &RgbImage, preprocess: &Preprocess) -> Vec<f32> {
    preprocess.tables().normalise(&crop_u8(image, preprocess))
}

/// Makes an image square by adding bars of `colour` at both sides of the shorter dimension (`LLaVA`'s
/// `image_aspect_ratio: pad`).
pub fn pad_to_square(image: RgbImage, colour: [u8; 3]) -> RgbImage {
    let side = image.width.max(image.height);
    if image.width == image.height {
        return image;
    }
    let mut out = filled(side, side, colour);
    let (left, top) = ((side - image.width) / 2, (side - image.height) / 2);
    paste(&mut out, &image, left, top);
    out
}

/// The float of every byte, a table for each channel: rescaling and normalising in one look-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables(pub [[f32; 256]; 3]);

impl Tables {
    /// `[H, W, 3]` bytes to `[3, H, W]` floats.
    pub fn normalise(&self, image: &RgbImage) -> Vec<f32> {
        let pixels = image.data.as_chunks::<3>().0;
        let mut out = Vec::with_capacity(pixels.len() * 3);
        for (channel, table) in self.0.iter().enumerate() {
            out.extend(pixels.iter().map(|p| table[usize::from(p[channel])]));
        }
        out
    }
}

impl Preprocess {
    /// The tables of this configuration, rounded where transformers rounds: the product with the scale to float32, then
    /// the normalising in float32.
    pub fn tables(&self) -> Tables {
        let table = |channel: usize| {
            std::array::from_fn(|byte| {
                let value = (byte as f64 * self.scale.unwrap_or(1.0)) as f32;
                match &self.normalise {
                    Some((mean, std)) => (value - mean[channel] as f32) / std[channel] as f32,
                    None => value,
                }
            })
        };
        Tables(std::array::from_fn(table))
    }
}

/// The middle `want` of `have`, and where it lies in `want` when `have` is smaller.
fn centre(have: usize, want: usize) -> (std::ops::Range<usize>, usize) {
    if have < want {
        return (0..have, (want - have) / 2);
    }
    let first = (have - want) / 2;
    (first..first + want, 0)
}

fn filled(width: usize, height: usize, colour: [u8; 3]) -> RgbImage {
    RgbImage {
        width,
        height,
        data: colour.repeat(width * height),
    }
}

fn paste(onto: &mut RgbImage, image: &RgbImage, left: usize, top: usize) {
    let stride = onto.width * 3;
    let targets = onto.data.chunks_exact_mut(stride).skip(top);
    for (target, row) in targets.zip(image.data.chunks_exact(image.width * 3)) {
        target[left * 3..][..row.len()].copy_from_slice(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(width: usize, height: usize) -> RgbImage {
        filled(width, height, [10, 20, 30])
    }

    #[test]
    fn bars_stand_on_both_sides() {
        let out = pad_to_square(plain(2, 5), [1, 2, 3]);
        assert_eq!((out.width, out.height), (5, 5));
        let row = [1, 2, 3, 10, 20, 30, 10, 20, 30, 1, 2, 3, 1, 2, 3];
        assert_eq!(out.data[..15], row);
        assert_eq!(pad_to_square(plain(3, 3), [0; 3]), plain(3, 3));
    }

    #[test]
    fn a_crop_larger_than_the_image_is_black_around_it() {
        let p = Preprocess::from_json(r#"{"do_resize": false, "crop_size": 4}"#).unwrap();
        let out = crop_u8(&plain(2, 6), &p);
        assert_eq!((out.width, out.height), (4, 4));
        assert_eq!(out.data[..12], [0, 0, 0, 10, 20, 30, 10, 20, 30, 0, 0, 0]);
    }

    #[test]
    fn floats_are_rounded_where_numpy_rounds() {
        let p = Preprocess::from_json(r#"{"image_mean": 0.5, "image_std": 0.25}"#).unwrap();
        let table = p.tables().0[0];
        assert_eq!(table[0].to_bits(), (-2.0_f32).to_bits());
        assert_eq!(table[255].to_bits(), 2.0_f32.to_bits());
        let third = ((51.0_f64 * (1.0 / 255.0)) as f32 - 0.5) / 0.25;
        assert_eq!(table[51].to_bits(), third.to_bits());
        let raw = Preprocess::from_json(r#"{"do_rescale": false, "do_normalize": false}"#).unwrap();
        assert_eq!(raw.tables().0[2][255].to_bits(), 255.0_f32.to_bits());
    }
}
