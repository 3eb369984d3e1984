//! An upper bound of cosines in few dimensions, so that most pairs need not be computed in full.
//!
//! Each row x, scaled to length 1, is kept as its coordinates p(x) in a basis of a few directions and the length r(x) of what the basis
//! does not hold. By the inequality of Cauchy and Schwarz the cosine of two rows is at most p(x).p(y) + r(x) r(y), which is
//! the dot product of p and r written side by side. The bound holds for any basis; how tight it is depends on how much of the rows lies in it.
//!
//! Rounding is allowed for: `slack` bounds how far the computed cosine may lie above the computed bound.

use pulp::Arch;
use rayon::prelude::*;

use super::basis::Basis;
use super::dot::{DEPTH, Panel};
use super::rows::{Block, Rows};

/// Rounding of one f32 operation.
const UNIT: f64 = 1.0 / (1 << 24) as f64;
/// With fewer values a row, or fewer rows, looking at all of them is as fast.
const MIN_DIM: usize = 128;
const MIN_ROWS: usize = 4096;
/// Values of a sketch at most: more bind tighter and cost more to look at.
const MAX_WIDTH: usize = 256;

/// Outside of these lengths products would underflow, and the allowance for rounding would not hold.
const LENGTHS: std::ops::RangeInclusive<f32> = 1e-12..=1e12;

pub(crate) struct Sketch {
    /// Coordinates in the basis and the length of the rest.
    pub(crate) width: usize,
    values: Vec<f32>,
    pub(crate) slack: f32,
}

impl Sketch {
    /// None where it would not pay. `norms` holds one finite, positive number a row.
    pub(crate) fn new(arch: Arch, rows: &Rows<'_>, norms: &[f32]) -> Option<Self> {
        let usual = norms.iter().all(|norm| LENGTHS.contains(norm));
        if rows.dim() < MIN_DIM || rows.len() < MIN_ROWS || !usual {
            return None;
        }
        let width = MAX_WIDTH.min(rows.dim() / 4);
        let basis = Basis::of_sample(arch, rows, norms, width - 1);
        Some(Self::in_basis(arch, rows, norms, &basis))
    }

    fn in_basis(arch: Arch, rows: &Rows<'_>, norms: &[f32], basis: &Basis) -> Self {
        let (dim, width) = (rows.dim() as f64, basis.directions.len() + 1);
        let directions: Vec<&[f32]> = basis.directions.iter().map(Vec::as_slice).collect();
        let panel = Panel::new(rows.dim(), &directions);
        // Of a coordinate: the kernel's sums of runs, then the division and the norm's own rounding.
        let of_sum = (DEPTH as f64 + dim / DEPTH as f64 + 8.0) * UNIT;
        let of_row = of_sum * (width as f64).sqrt() * 1.01;
        // The square of what the basis does not hold, at least.
        let of_rest = 2.0 * of_row + basis.skew + 16.0 * width as f64 * UNIT * UNIT + 8.0 * UNIT;
        let mut values = vec![0.0; rows.len() * width];
        let mut blocks = Vec::new();
        let mut left = values.as_mut_slice();
        for block in rows.blocks() {
            let (own, rest) = left.split_at_mut(block.values.len() / rows.dim() * width);
            left = rest;
            blocks.push((block, own));
        }
        blocks
            .into_par_iter()
            .for_each_init(Vec::new, |dots, (block, own)| {
                panel.dots(arch, block, dots);
                let rows_of = block.indices(rows.dim());
                let dots = dots.chunks_exact(panel.stride());
                for ((row, dots), own) in rows_of.zip(dots).zip(own.chunks_exact_mut(width)) {
                    let mut held = 0.0;
                    for (own, dot) in own.iter_mut().zip(&dots[..width - 1]) {
                        *own = dot / norms[row];
                        held += f64::from(*own) * f64::from(*own);
                    }
                    let rest = (1.0 - held + of_rest).max(0.0).sqrt();
                    own[width - 1] = (rest * (1.0 + 4.0 * UNIT)) as f32;
                }
            });
        // Both rows' coordinates; the scan of a sketch, whose length is at most a little over 1; the exact cosine's own sums,
        // divisions and norms; and what the basis is off being orthonormal.
        let of_scan = (width as f64 + 4.0) * UNIT * 1.1;
        let slack = 2.0 * of_row * 1.01 + of_scan + of_sum + basis.skew;
        Self {
            width,
            values,
            slack: (slack * 1.01) as f32,
        }
    }

    pub(crate) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// The rows of a block, which have `dim` values in full.
    pub(crate) fn of(&self, block: &Block<'_>, dim: usize) -> &[f32] {
        let rows = block.indices(dim);
        &self.values[rows.start * self.width..rows.end * self.width]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dot::exact;
    use super::super::greedy::norm;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// Any basis gives a bound, a bad one too.
        #[test]
        fn no_cosine_is_above_its_bound(
            dim in 4_usize..300, width in 1_usize..20, spread in 0.0_f32..2.0, scale in -8_i32..8, seed in any::<u32>(),
        ) {
            let mut state = seed;
            let mut value = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            };
            let centre: Vec<f32> = (0..dim).map(|_| value()).collect();
            let values: Vec<f32> = (0..80 * dim)
                .map(|i| (centre[i % dim] + spread * value()) * 2_f32.powi(scale) + 1e-20)
                .collect();
            let rows = Rows::new(dim, [&values[..]]).unwrap();
            let norms: Vec<f32> = values.chunks(dim).map(norm).collect();
            prop_assume!(norms.iter().all(|norm| *norm > 0.0));
            let basis = Basis::of_sample(Arch::new(), &rows, &norms, width.min(dim - 1));
            let sketch = Sketch::in_basis(Arch::new(), &rows, &norms, &basis);
            for a in 0..80 {
                for b in 0..80 {
                    let cosine = exact(rows.row(a), rows.row(b)) / norms[a] / norms[b];
                    let bound: f32 = sketch.row(a).iter().zip(sketch.row(b)).map(|(x, y)| x * y).sum();
                    prop_assert!(cosine <= bound + sketch.slack, "{} > {} + {}", cosine, bound, sketch.slack);
                }
            }
            prop_assert!(sketch.slack < 1e-3);
        }
    }
}
