//! Grey pictures, equal to those of PIL's `convert("L")` and its `resize`.

use crate::mode::RgbImage;
use crate::preprocess::Filter;
use crate::resize::{Window, resize_channels};

/// An 8-bit grey image, rows from top to bottom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GreyImage {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` bytes, `[H, W]`.
    pub data: Vec<u8>,
}

impl GreyImage {
    /// ITU-R 601 luma in PIL's integers: (19595 R + 38470 G + 7471 B + 32768) / 65536. Images that are grey in their file
    /// come out as they are.
    pub fn of(image: &RgbImage) -> Self {
        let luma = |&[r, g, b]: &[u8; 3]| {
            let weighted = 19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b);
            ((weighted + 0x8000) >> 16) as u8
        };
        Self {
            width: image.width,
            height: image.height,
            data: image.data.as_chunks::<3>().0.iter().map(luma).collect(),
        }
    }

    /// Resized to `width` x `height` (neither 0); proportions may change.
    #[must_use]
    pub fn resized(&self, width: usize, height: usize, filter: Filter) -> Self {
        let whole = Window {
            columns: 0..width,
            rows: 0..height,
        };
        let (from, to) = ((self.width, self.height), (width, height));
        Self {
            width,
            height,
            data: resize_channels::<1>(&self.data, from, to, filter, &whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resize::resize;

    #[test]
    fn one_channel_is_resized_as_three() {
        let (width, height) = (67, 41);
        let data: Vec<u8> = (0..width * height).map(|i| (i * i / 7 + i) as u8).collect();
        let rgb = RgbImage {
            width,
            height,
            data: data.iter().flat_map(|&v| [v; 3]).collect(),
        };
        let grey = GreyImage::of(&rgb);
        assert_eq!(grey.data, data);
        for filter in [Filter::Lanczos, Filter::Bilinear, Filter::Bicubic] {
            for (width, height) in [(9, 8), (32, 32), (100, 3), (1, 1)] {
                let whole = Window {
                    columns: 0..width,
                    rows: 0..height,
                };
                let three = resize(&rgb, (width, height), filter, &whole).data;
                let one = grey.resized(width, height, filter).data;
                assert!(
                    one.iter().eq(three.iter().step_by(3)),
                    "{filter:?} {width} x {height}"
                );
            }
        }
    }
}
