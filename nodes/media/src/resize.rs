//! Resizing as PIL does it: two passes of 8-bit data, weights in 22-bit fixed point, the horizontal pass first.
//!
//! PIL up to version 12 rounds to bytes between the passes and always starts with the rows; version 13 changed the
//! order for tall images. Only what lies inside the window is computed, which does not change a single value.

use std::ops::Range;

use pulp::Arch;

use crate::mode::RgbImage;
use crate::preprocess::Filter;

/// Bits behind the point of a weight: 32 less 8 for the value and 2 for sums above one.
pub(crate) const BITS: u32 = 22;

/// The part of the resized image that is wanted, in its rows and columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) columns: Range<usize>,
    pub(crate) rows: Range<usize>,
}

/// Resizes to `width` x `height` and returns the window of it.
///
/// The caller makes sure that the sizes are not 0 and that the window lies inside.
pub(crate) fn resize(
    image: &RgbImage,
    size: (usize, usize),
    filter: Filter,
    window: &Window,
) -> RgbImage {
    RgbImage {
        width: window.columns.len(),
        height: window.rows.len(),
        data: resize_channels::<3>(
            &image.data,
            (image.width, image.height),
            size,
            filter,
            window,
        ),
    }
}

/// The same for pixels of up to four channels: `data` is `[H, W, N]`, and so is what comes out. Channels do not see each other.
pub(crate) fn resize_channels<const N: usize>(
    data: &[u8],
    from: (usize, usize),
    to: (usize, usize),
    filter: Filter,
    window: &Window,
) -> Vec<u8> {
    let across = Taps::new(from.0, to.0, filter, window.columns.clone());
    let down = Taps::new(from.1, to.1, filter, window.rows.clone());
    // Both passes compiled for the widest vectors that this processor has; integers come out the same on all.
    Arch::new().dispatch(|| {
        let rows = down.inputs();
        let stride = from.0 * N;
        let needed = &data[rows.start * stride..rows.end * stride];
        let middle = horizontal::<N>(needed, from.0, &across);
        vertical(&middle, window.columns.len() * N, rows.start, &down)
    })
}

/// For every output position: where its inputs start, and their weights.
pub(crate) struct Taps {
    starts: Vec<usize>,
    /// `longest` weights for every position, filled up with zeros.
    weights: Vec<i32>,
    counts: Vec<usize>,
    longest: usize,
}

impl Taps {
    pub(crate) fn new(from: usize, to: usize, filter: Filter, outputs: Range<usize>) -> Self {
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        let longest = support.ceil() as usize * 2 + 1;
        let mut taps = Self {
            starts: Vec::with_capacity(outputs.len()),
            weights: Vec::with_capacity(outputs.len() * longest),
            counts: Vec::with_capacity(outputs.len()),
            longest,
        };
        let mut exact = Vec::with_capacity(longest);
        for output in outputs {
            let centre = (output as f64 + 0.5) * scale;
            // `as` cuts towards zero and turns what is negative into 0, as PIL's clamp does.
            let first = (centre - support + 0.5) as usize;
            let last = ((centre + support + 0.5) as usize).min(from);
            exact.clear();
            exact.extend(
                (first..last).map(|i| filter.weight((i as f64 - centre + 0.5) * (1.0 / stretch))),
            );
            let sum: f64 = exact.iter().sum();
            taps.weights.extend(exact.iter().map(|w| {
                let w = if sum == 0.0 { *w } else { w / sum };
                (w * f64::from(1 << BITS) + 0.5_f64.copysign(w)) as i32
            }));
            taps.weights.resize((taps.starts.len() + 1) * longest, 0);
            taps.starts.push(first);
            taps.counts.push(last - first);
        }
        taps
    }

    /// The input positions that any output needs.
    pub(crate) fn inputs(&self) -> Range<usize> {
        let end = self.starts.iter().zip(&self.counts).map(|(s, c)| s + c);
        self.starts.first().copied().unwrap_or(0)..end.max().unwrap_or(0)
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let weights = self.weights.chunks_exact(self.longest);
        let sized = weights.zip(&self.counts).map(|(w, &n)| &w[..n]);
        self.starts.iter().copied().zip(sized)
    }
}

#[expect(
    clippy::inline_always,
    reason = "it must take over the caller's vector width"
)]
#[inline(always)]
fn horizontal<const N: usize>(rows: &[u8], width: usize, taps: &Taps) -> Vec<u8> {
    let columns = taps.inputs();
    let stride = width * N;
    let mut out = Vec::with_capacity(rows.len() / stride * taps.starts.len() * N);
    // Empty channels up to the fourth make a pixel one load.
    let mut wide = vec![[0_u8; 4]; columns.len()];
    for row in rows.chunks_exact(stride) {
        let pixels = &row.as_chunks::<N>().0[columns.clone()];
        for (wide, pixel) in wide.iter_mut().zip(pixels) {
            wide[..N].copy_from_slice(pixel);
        }
        for (start, weights) in taps.each() {
            let mut sum = [1_i32 << (BITS - 1); 4];
            for (pixel, &weight) in wide[start - columns.start..].iter().zip(weights) {
                for (sum, &value) in sum.iter_mut().zip(pixel) {
                    *sum += i32::from(value) * weight;
                }
            }
            out.extend_from_slice(&sum.map(to_byte)[..N]);
        }
    }
    out
}

/// `rows` holds the rows from `first` on, `stride` bytes each.
#[expect(
    clippy::inline_always,
    reason = "it must take over the caller's vector width"
)]
#[inline(always)]
pub(crate) fn vertical(rows: &[u8], stride: usize, first: usize, taps: &Taps) -> Vec<u8> {
    let mut out = Vec::with_capacity(taps.starts.len() * stride);
    let mut sums = vec![0_i32; stride];
    for (start, weights) in taps.each() {
        sums.fill(1 << (BITS - 1));
        let inputs = rows[(start - first) * stride..].chunks_exact(stride);
        for (row, &weight) in inputs.zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| to_byte(sum)));
    }
    out
}

#[expect(
    clippy::inline_always,
    reason = "it must take over the caller's vector width"
)]
#[inline(always)]
pub(crate) fn to_byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(width: usize, height: usize) -> RgbImage {
        let mut state = 1_u32;
        let data = (0..width * height * 3).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        RgbImage {
            width,
            height,
            data: data.collect(),
        }
    }

    #[test]
    fn same_size_changes_nothing() {
        let image = noise(17, 9);
        let all = Window {
            columns: 0..17,
            rows: 0..9,
        };
        assert_eq!(resize(&image, (17, 9), Filter::Bicubic, &all), image);
    }

    #[test]
    fn a_window_is_cut_from_the_whole() {
        let image = noise(53, 31);
        for filter in [Filter::Bicubic, Filter::Bilinear, Filter::Lanczos] {
            let whole = Window {
                columns: 0..24,
                rows: 0..40,
            };
            let part = Window {
                columns: 5..20,
                rows: 11..29,
            };
            let whole = resize(&image, (24, 40), filter, &whole);
            let cut = resize(&image, (24, 40), filter, &part);
            for (y, row) in part.rows.clone().zip(cut.data.chunks_exact(15 * 3)) {
                assert_eq!(
                    row,
                    &whole.data[(y * 24 + 5) * 3..(y * 24 + 20) * 3],
                    "row {y}"
                );
            }
        }
    }
}
