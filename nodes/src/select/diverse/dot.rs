//! Dot products of many rows with a batch of queries, in exact f32 arithmetic of one fixed order.
//!
//! The dot product of a pair is the sum, in order, of the sums over runs of [`DEPTH`] values, each added up from the left
//! without fused multiply-add. No tiling, vector width or number of threads changes that order, so the same pair has the
//! same bits on every machine. Short runs also keep the rounding error small.

#![expect(
    clippy::inline_always,
    reason = "the kernel must be compiled as one, for the instruction set that dispatch chose"
)]

use pulp::{Arch, Simd, WithSimd};

use super::rows::Block;

/// Values that are added up before the sum goes to the total.
pub(crate) const DEPTH: usize = 64;
/// Queries side by side: the lanes of two AVX2 registers.
const WIDTH: usize = 16;
/// Rows at once: with two registers of lanes each they take 8 of the 16 vector registers, enough to hide an addition's
/// latency and few enough that none is spilled.
const HEIGHT: usize = 4;

/// Queries laid out for the kernel: runs of depth, in them groups of `WIDTH` queries, in them lanes for every value.
pub(crate) struct Panel {
    dim: usize,
    groups: usize,
    values: Vec<[f32; WIDTH]>,
}

impl Panel {
    /// Packs queries of `dim` values each.
    pub(crate) fn new(dim: usize, queries: &[&[f32]]) -> Panel {
        let groups = queries.len().div_ceil(WIDTH);
        let mut values = vec![[0.0; WIDTH]; groups * dim];
        let mut at = 0;
        for start in (0..dim).step_by(DEPTH) {
            let depth = DEPTH.min(dim - start);
            for group in queries.chunks(WIDTH) {
                for (lane, query) in group.iter().enumerate() {
                    for (lanes, value) in values[at..at + depth].iter_mut().zip(&query[start..]) {
                        lanes[lane] = *value;
                    }
                }
                at += depth;
            }
        }
        Panel {
            dim,
            groups,
            values,
        }
    }

    /// Length of a row of [`Panel::dots`]: the number of queries, filled up to whole groups.
    pub(crate) fn stride(&self) -> usize {
        self.groups * WIDTH
    }

    /// Dot products of a block's rows (outer) with the queries (inner, `stride` of them); what fills up is zero.
    pub(crate) fn dots(&self, arch: Arch, block: &Block<'_>, out: &mut Vec<f32>) {
        let rows = block.values.len() / self.dim;
        out.clear();
        out.resize(rows * self.stride(), 0.0);
        arch.dispatch(Kernel {
            panel: self,
            rows: block.values,
            out,
        });
    }
}

/// The kernel as pulp runs it: compiled once for each instruction set, chosen when the program runs.
struct Kernel<'a> {
    panel: &'a Panel,
    rows: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Kernel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Panel {
            dim,
            groups,
            values,
        } = self.panel;
        let (dim, stride) = (*dim, groups * WIDTH);
        let mut panel = values.as_slice();
        for start in (0..dim).step_by(DEPTH) {
            let depth = DEPTH.min(dim - start);
            let (run, rest) = panel.split_at(depth * groups);
            panel = rest;
            let tall = HEIGHT * dim;
            let outs = self.out.chunks_mut(HEIGHT * stride);
            for (rows, out) in self.rows.chunks(tall).zip(outs) {
                for (group, lanes) in run.chunks_exact(depth).enumerate() {
                    let out = &mut out[group * WIDTH..];
                    if rows.len() == tall {
                        tile::<HEIGHT>(&rows[start..], dim, lanes, out, stride);
                    } else {
                        for (row, out) in rows.chunks(dim).zip(out.chunks_mut(stride)) {
                            tile::<1>(&row[start..], dim, lanes, out, stride);
                        }
                    }
                }
            }
        }
    }
}

/// Adds the dot products of `R` rows (each `dim` after the last) with one group of queries over one run of depth.
#[inline(always)]
fn tile<const R: usize>(
    rows: &[f32],
    dim: usize,
    lanes: &[[f32; WIDTH]],
    out: &mut [f32],
    stride: usize,
) {
    let mut sums = [[0.0; WIDTH]; R];
    if let Some(lanes) = lanes.as_array::<DEPTH>() {
        sums = add::<R, DEPTH>(rows, dim, lanes, sums);
    } else {
        for (d, lanes) in lanes.iter().enumerate() {
            sums = add::<R, 1>(&rows[d..], dim, &[*lanes], sums);
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (total, sum) in out[r * stride..].iter_mut().zip(sums) {
            *total += sum;
        }
    }
}

/// The sums after `D` more values. That `D` is known to the compiler keeps the sums in registers.
#[inline(always)]
fn add<const R: usize, const D: usize>(
    rows: &[f32],
    dim: usize,
    lanes: &[[f32; WIDTH]; D],
    mut sums: [[f32; WIDTH]; R],
) -> [[f32; WIDTH]; R] {
    let rows: [&[f32; D]; R] =
        std::array::from_fn(|r| rows[r * dim..].first_chunk().unwrap_or(&[0.0; D]));
    for d in 0..D {
        for r in 0..R {
            for w in 0..WIDTH {
                sums[r][w] += rows[r][d] * lanes[d][w];
            }
        }
    }
    sums
}

/// Runs whose sums [`exact`] adds up side by side.
const RUNS: usize = 8;

/// The dot product of one pair: the same bits as [`Panel::dots`] gives.
pub(crate) fn exact(a: &[f32], b: &[f32]) -> f32 {
    let mut total = 0.0;
    let (a_wide, a_rest) = a.as_chunks::<{ RUNS * DEPTH }>();
    let (b_wide, b_rest) = b.as_chunks::<{ RUNS * DEPTH }>();
    for (a, b) in a_wide.iter().zip(b_wide) {
        let mut sums = [0.0; RUNS];
        for d in 0..DEPTH {
            for run in 0..RUNS {
                sums[run] += a[run * DEPTH + d] * b[run * DEPTH + d];
            }
        }
        total = sums.iter().fold(total, |total, sum| total + sum);
    }
    for (a, b) in a_rest.chunks(DEPTH).zip(b_rest.chunks(DEPTH)) {
        total += a.iter().zip(b).fold(0.0, |sum, (x, y)| sum + x * y);
    }
    total
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The dot product as this file's header defines it.
    pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
        let runs = a.chunks(DEPTH).zip(b.chunks(DEPTH));
        runs.map(|(a, b)| a.iter().zip(b).fold(0.0, |sum, (x, y)| sum + x * y))
            .fold(0.0, |total, run| total + run)
    }

    proptest! {
        #[test]
        fn every_pair_equals_the_definition_bit_for_bit(
            dim in 1_usize..1200, rows in 1_usize..20, queries in 1_usize..40, seed in any::<u32>(),
        ) {
            let mut state = seed;
            let mut value = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 1e7 - 0.8
            };
            let values: Vec<f32> = (0..(rows + queries) * dim).map(|_| value()).collect();
            let all: Vec<&[f32]> = values.chunks(dim).collect();
            let panel = Panel::new(dim, &all[rows..]);
            let mut out = Vec::new();
            panel.dots(Arch::new(), &Block { first: 0, values: &values[..rows * dim] }, &mut out);
            for r in 0..rows {
                for q in 0..queries {
                    let expected = dot(all[r], all[rows + q]);
                    prop_assert_eq!(out[r * panel.stride() + q].to_bits(), expected.to_bits());
                    prop_assert_eq!(exact(all[r], all[rows + q]).to_bits(), expected.to_bits());
                }
            }
        }
    }
}
