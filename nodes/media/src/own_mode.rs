//! An image resized in the mode of its file and only then converted to RGB, as torchvision's transforms do it with a PIL
//! image. `ImageReward` sees its images so; what CLIP does (RGB first) stands in `crop`.

use std::ops::Range;

use crate::ImageError;
use crate::crop::Tables;
use crate::decode::decode_picture;
use crate::mode::{Mode, Picture, RgbImage, Samples, mul_div_255};
use crate::preprocess::{Filter, Size};
use crate::resize::{Window, resize_channels};

/// Sizes are C integers in PIL.
const MOST: usize = i32::MAX as usize;

/// Decodes a file, makes the short side `side` pixels long with the bicubic filter, and cuts out the `side` x `side` pixels in
/// the middle, in RGB. EXIF orientation is ignored. Palettes and bits are not mixed but picked from, and colours with alpha are
/// mixed by their alpha, as PIL does it.
///
/// # Errors
/// When the file is no image ([`decode`](crate::decode) says what counts), is 16-bit grey that would have to be resized, or is so thin that the
/// long side would be more than 2^31 - 1 pixels.
pub fn crop_in_own_mode(bytes: &[u8], side: usize) -> Result<RgbImage, ImageError> {
    let picture = decode_picture(bytes)?;
    let from = (picture.width, picture.height);
    let to = Size::ShortestEdge(side).of(from.0, from.1);
    let long = to.0.max(to.1);
    if long > MOST {
        return Err(ImageError::TooThin {
            width: from.0,
            height: from.1,
            side,
            long,
            limit: MOST,
        });
    }
    let window = Window {
        columns: centre(to.0, side),
        rows: centre(to.1, side),
    };
    let data = match (picture.samples, picture.mode) {
        _ if from == to => pick(&picture, to, &window),
        (Samples::Deep, _) => return Err(ImageError::DeepGrey),
        (Samples::Picked, _) => pick(&picture, to, &window),
        (Samples::Smooth, Mode::L) => mix::<1>(&picture.data, from, to, &window),
        (Samples::Smooth, Mode::Rgb) => mix::<3>(&picture.data, from, to, &window),
        (Samples::Smooth, Mode::Cmyk) => mix::<4>(&picture.data, from, to, &window),
        (Samples::Smooth, Mode::La) => mix_by_alpha::<2>(&picture.data, from, to, &window),
        (Samples::Smooth, Mode::Rgba) => mix_by_alpha::<4>(&picture.data, from, to, &window),
    };
    let cropped = Picture {
        width: side,
        height: side,
        data,
        ..picture
    };
    Ok(cropped.into_rgb())
}

/// The float of every byte as torchvision's `ToTensor` and `Normalize` round it: everything in float32, divided by 255 first.
pub fn torchvision_tables(mean: [f64; 3], std: [f64; 3]) -> Tables {
    let table = |channel: usize| {
        let (mean, std) = (mean[channel] as f32, std[channel] as f32);
        std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std)
    };
    Tables(std::array::from_fn(table))
}

/// The middle `want` of `have`, which is not smaller. Half a pixel goes to the even side, as Python rounds.
fn centre(have: usize, want: usize) -> Range<usize> {
    let (half, odd) = ((have - want) / 2, (have - want) % 2);
    let first = half + odd * (half % 2);
    first..first + want
}

fn mix<const N: usize>(
    data: &[u8],
    from: (usize, usize),
    to: (usize, usize),
    window: &Window,
) -> Vec<u8> {
    resize_channels::<N>(data, from, to, Filter::Bicubic, window)
}

/// The last of `N` channels is alpha. Colours are multiplied by it, mixed, and divided by what alpha has become.
fn mix_by_alpha<const N: usize>(
    data: &[u8],
    from: (usize, usize),
    to: (usize, usize),
    window: &Window,
) -> Vec<u8> {
    let mut weighted = data.to_vec();
    for pixel in weighted.as_chunks_mut::<N>().0 {
        let alpha = pixel[N - 1];
        for value in &mut pixel[..N - 1] {
            *value = mul_div_255(*value, alpha);
        }
    }
    let mut mixed = mix::<N>(&weighted, from, to, window);
    for pixel in mixed.as_chunks_mut::<N>().0 {
        let alpha = u32::from(pixel[N - 1]);
        if alpha == 0 {
            continue;
        }
        for value in &mut pixel[..N - 1] {
            *value = (255 * u32::from(*value) / alpha).min(255) as u8;
        }
    }
    mixed
}

/// Every pixel of the window from the one pixel of the picture that lies nearest.
fn pick(picture: &Picture, to: (usize, usize), window: &Window) -> Vec<u8> {
    let channels = picture.data.len() / (picture.width * picture.height);
    let columns = nearest(picture.width, to.0, &window.columns);
    let mut out = Vec::with_capacity(window.rows.len() * columns.len() * channels);
    for row in nearest(picture.height, to.1, &window.rows) {
        for column in &columns {
            let at = (row * picture.width + column) * channels;
            out.extend_from_slice(&picture.data[at..at + channels]);
        }
    }
    out
}

/// The input position of each output in `outputs`. PIL adds up the steps, so this does not multiply.
fn nearest(from: usize, to: usize, outputs: &Range<usize>) -> Vec<usize> {
    let step = from as f64 / to as f64;
    let mut at = step * 0.5;
    for _ in 0..outputs.start {
        at += step;
    }
    let mut position = || {
        let here = (at as usize).min(from - 1);
        at += step;
        here
    };
    outputs.clone().map(|_| position()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pixel_goes_to_the_even_side() {
        let firsts = [32, 33, 34, 35, 36, 37, 39, 41].map(|have| centre(have, 32).start);
        assert_eq!(firsts, [0, 0, 1, 2, 2, 2, 4, 4]);
    }

    #[test]
    fn floats_are_rounded_where_torchvision_rounds() {
        let tables = torchvision_tables([0.5, 0.481_454_66, 0.25], [0.25, 0.268_629_54, 0.5]);
        assert_eq!(tables.0[0][255].to_bits(), 2.0_f32.to_bits());
        let third = (51_f32 / 255.0 - 0.481_454_66_f32) / 0.268_629_54_f32;
        assert_eq!(tables.0[1][51].to_bits(), third.to_bits());
    }

    #[test]
    fn a_colour_without_alpha_does_not_bleed() {
        // Red that is fully transparent beside green that is not, made half as wide.
        let data = [[255, 0, 0, 0], [0, 200, 0, 255]].concat();
        let all = Window {
            columns: 0..1,
            rows: 0..1,
        };
        let out = mix_by_alpha::<4>(&data, (2, 1), (1, 1), &all);
        assert_eq!(out[0], 0);
        assert!((199..=201).contains(&out[1]), "{out:?}");
    }
}
