//! Resizing as PIL does it: two passes of 8-bit data, weights in 22-bit fixed point, the horizontal pass first.
//!
//! PIL up to version 12 rounds to bytes between the passes and always starts with the rows; version 13 changed the
//! order for tall images. Only what lies inside the window is computed, which does not change a single value.

use std::ops::Range;

use pulp::{Arch, NullaryFnOnce};

use crate::mode::RgbImage;
use crate::preprocess::Filter;

/// Bits behind the point of a weight: 32 less 8 for the value and 2 for sums above one.
const BITS: u32 = 22;

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
    let passes = match N {
        1 => passes::<1, ROWS>,
        2 => passes::<2, { 2 * ROWS }>,
        3 => passes::<3, { 3 * ROWS }>,
        4 => passes::<4, { 4 * ROWS }>,
        _ => unreachable!("pixels have one to four channels"),
    };
    passes(data, from.0, across, down)
}

/// `L` is `N` times [`ROWS`].
fn passes<const N: usize, const L: usize>(
    data: &[u8],
    width: usize,
    across: Taps,
    down: Taps,
) -> Vec<u8> {
    Arch::new().dispatch(Passes::<N, L> {
        data,
        width,
        across,
        down,
    })
}

/// Both passes, compiled for the widest vectors that this processor has; integers come out the same on all. A closure would do,
/// could it be told to be inlined: one that is not is compiled for the oldest processor.
struct Passes<'a, const N: usize, const L: usize> {
    data: &'a [u8],
    width: usize,
    across: Taps,
    down: Taps,
}

impl<const N: usize, const L: usize> NullaryFnOnce for Passes<'_, N, L> {
    type Output = Vec<u8>;

    #[expect(
        clippy::inline_always,
        reason = "it must take over the caller's vector width"
    )]
    #[inline(always)]
    fn call(self) -> Vec<u8> {
        let rows = self.down.inputs();
        let stride = self.width * N;
        let needed = &self.data[rows.start * stride..rows.end * stride];
        let middle = horizontal::<N, L>(needed, self.width, &self.across);
        let line = self.across.starts.len() * N;
        vertical(&middle, line, rows.start, &self.down)
    }
}

/// For every output position: where its inputs start, and their weights.
struct Taps {
    starts: Vec<usize>,
    /// `longest` weights for every position, filled up with zeros.
    weights: Vec<i32>,
    counts: Vec<usize>,
    longest: usize,
}

impl Taps {
    fn new(from: usize, to: usize, filter: Filter, outputs: Range<usize>) -> Self {
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
    fn inputs(&self) -> Range<usize> {
        let end = self.starts.iter().zip(&self.counts).map(|(s, c)| s + c);
        self.starts.first().copied().unwrap_or(0)..end.max().unwrap_or(0)
    }

    fn each(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let weights = self.weights.chunks_exact(self.longest);
        let sized = weights.zip(&self.counts).map(|(w, &n)| &w[..n]);
        self.starts.iter().copied().zip(sized)
    }
}

/// Rows that the horizontal pass takes together.
const ROWS: usize = 8;
/// Bytes that the vertical pass takes together: their sums stay in registers.
const BLOCK: usize = 32;

#[expect(
    clippy::inline_always,
    reason = "it must take over the caller's vector width"
)]
#[inline(always)]
fn horizontal<const N: usize, const L: usize>(rows: &[u8], width: usize, taps: &Taps) -> Vec<u8> {
    let columns = taps.inputs();
    let (stride, line) = (width * N, taps.starts.len() * N);
    let mut out = vec![0; rows.len() / stride * line];
    const { assert!(L == N * ROWS) };
    // Pixels that stand below each other, with one weight for all. The compiler is not to know the step, or it gathers bytes of
    // several steps into one vector.
    let step = std::hint::black_box(L);
    let mut wide = vec![0_u8; columns.len() * step];
    let groups = rows.chunks(ROWS * stride);
    for (rows, out) in groups.zip(out.chunks_mut(ROWS * line)) {
        for (place, row) in rows.chunks_exact(stride).enumerate() {
            let pixels = &row.as_chunks::<N>().0[columns.clone()];
            for (wide, pixel) in wide.chunks_exact_mut(step).zip(pixels) {
                wide[N * place..N * place + N].copy_from_slice(pixel);
            }
        }
        for (output, (start, weights)) in taps.each().enumerate() {
            let pixels = &wide[(start - columns.start) * step..];
            let bytes: [u8; L] = weigh(pixels, step, weights);
            for (row, bytes) in out.chunks_exact_mut(line).zip(bytes.as_chunks::<N>().0) {
                row[output * N..][..N].copy_from_slice(bytes);
            }
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
fn vertical(rows: &[u8], stride: usize, first: usize, taps: &Taps) -> Vec<u8> {
    let mut out = Vec::with_capacity(taps.starts.len() * stride);
    for (start, weights) in taps.each() {
        let rows = &rows[(start - first) * stride..];
        let blocks = stride - stride % BLOCK;
        for block in (0..blocks).step_by(BLOCK) {
            let bytes: [u8; BLOCK] = weigh(&rows[block..], stride, weights);
            out.extend_from_slice(&bytes);
        }
        out.extend((blocks..stride).map(|at| {
            let values = rows.chunks_exact(stride).map(|row| i32::from(row[at]));
            let products = values.zip(weights).map(|(value, weight)| value * weight);
            to_byte(products.fold(1 << (BITS - 1), |sum, product| sum + product))
        }));
    }
    out
}

/// The weighted sums of bytes that stand `step` bytes apart, for the first `L` bytes.
#[expect(
    clippy::inline_always,
    reason = "it must take over the caller's vector width"
)]
#[inline(always)]
fn weigh<const L: usize>(bytes: &[u8], step: usize, weights: &[i32]) -> [u8; L] {
    let mut sums = [1_i32 << (BITS - 1); L];
    for (number, &weight) in weights.iter().enumerate() {
        let bytes = &bytes[number * step..][..L];
        for (sum, &value) in sums.iter_mut().zip(bytes) {
            *sum += i32::from(value) * weight;
        }
    }
    sums.map(to_byte)
}

#[expect(
    clippy::inline_always,
    reason = "it must take over the caller's vector width"
)]
#[inline(always)]
fn to_byte(sum: i32) -> u8 {
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
