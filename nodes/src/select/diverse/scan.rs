//! Dot products that only have to be near: with fused multiply-add, in whatever order is fastest.

#![expect(
    clippy::inline_always,
    reason = "the kernel must be compiled as one, for the instruction set that dispatch chose"
)]

use pulp::{Arch, Simd, WithSimd};

/// Queries side by side.
pub(crate) const WIDTH: usize = 16;
/// Rows at once: with two AVX2 registers of lanes each they take 12 of the 16 vector registers, which hides the latency of an addition.
const HEIGHT: usize = 6;
/// Vector registers that `WIDTH` lanes take at most.
const PARTS: usize = 4;

/// Queries laid out for the kernel: groups of `WIDTH`, in them lanes for every value.
pub(crate) struct Packed {
    dim: usize,
    values: Vec<[f32; WIDTH]>,
}

impl Packed {
    pub(crate) fn new(dim: usize, queries: &[&[f32]]) -> Self {
        let mut values = vec![[0.0; WIDTH]; queries.len().div_ceil(WIDTH) * dim];
        for (group, values) in queries.chunks(WIDTH).zip(values.chunks_exact_mut(dim)) {
            for (lane, query) in group.iter().enumerate() {
                for (lanes, value) in values.iter_mut().zip(*query) {
                    lanes[lane] = *value;
                }
            }
        }
        Self { dim, values }
    }

    /// Dot products of rows (outer) with groups of `WIDTH` queries (inner); what fills up the last group is zero. Each is off by at
    /// most `dim` * 2^-24 times the product of both norms, and a little.
    pub(crate) fn dots(&self, arch: Arch, rows: &[f32], out: &mut Vec<[f32; WIDTH]>) {
        let groups = self.values.len() / self.dim;
        out.clear();
        out.resize(rows.len() / self.dim * groups, [0.0; WIDTH]);
        arch.dispatch(Scan {
            packed: self,
            groups,
            rows,
            out,
        });
    }
}

struct Scan<'a> {
    packed: &'a Packed,
    groups: usize,
    rows: &'a [f32],
    out: &'a mut [[f32; WIDTH]],
}

impl WithSimd for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (dim, groups) = (self.packed.dim, self.groups);
        let outs = self.out.chunks_mut(HEIGHT * groups);
        for (rows, out) in self.rows.chunks(HEIGHT * dim).zip(outs) {
            for (group, lanes) in self.packed.values.chunks_exact(dim).enumerate() {
                if rows.len() == HEIGHT * dim {
                    tile::<S, HEIGHT>(simd, rows, lanes, &mut out[group..], groups);
                } else {
                    for (row, out) in rows.chunks_exact(dim).zip(out.chunks_mut(groups)) {
                        tile::<S, 1>(simd, row, lanes, &mut out[group..], groups);
                    }
                }
            }
        }
    }
}

/// `R` rows with one group of queries.
#[inline(always)]
fn tile<S: Simd, const R: usize>(
    simd: S,
    rows: &[f32],
    lanes: &[[f32; WIDTH]],
    out: &mut [[f32; WIDTH]],
    stride: usize,
) {
    let dim = lanes.len();
    let parts = WIDTH / S::F32_LANES;
    let rows: [&[f32]; R] = std::array::from_fn(|r| &rows[r * dim..(r + 1) * dim]);
    let mut sums = [[simd.splat_f32s(0.0); PARTS]; R];
    for (d, lanes) in lanes.iter().enumerate() {
        let (lanes, _) = S::as_simd_f32s(lanes);
        for r in 0..R {
            let value = simd.splat_f32s(rows[r][d]);
            for part in 0..parts {
                sums[r][part] = simd.mul_add_e_f32s(value, lanes[part], sums[r][part]);
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        let (out, _) = S::as_mut_simd_f32s(&mut out[r * stride]);
        out.copy_from_slice(&sums[..parts]);
    }
}

/// The dot product of one pair.
pub(crate) fn dot(arch: Arch, a: &[f32], b: &[f32]) -> f32 {
    arch.dispatch(Pair { a, b })
}

struct Pair<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for Pair<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        let (a, a_rest) = S::as_simd_f32s(self.a);
        let (b, b_rest) = S::as_simd_f32s(self.b);
        let mut sums = [simd.splat_f32s(0.0); 4];
        let (a_four, a_few) = a.as_chunks::<4>();
        let (b_four, b_few) = b.as_chunks::<4>();
        for (a, b) in a_four.iter().zip(b_four) {
            for part in 0..4 {
                sums[part] = simd.mul_add_e_f32s(a[part], b[part], sums[part]);
            }
        }
        for (a, b) in a_few.iter().zip(b_few) {
            sums[0] = simd.mul_add_e_f32s(*a, *b, sums[0]);
        }
        let sum = simd.add_f32s(
            simd.add_f32s(sums[0], sums[1]),
            simd.add_f32s(sums[2], sums[3]),
        );
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        simd.reduce_sum_f32s(sum) + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_near_the_exact_ones() {
        let value = |i: usize| ((i * 7919) % 1000) as f32 / 500.0 - 1.0;
        for (dim, rows, queries) in [(1, 1, 1), (5, 7, 3), (64, 12, 16), (255, 13, 40)] {
            let values: Vec<f32> = (0..(rows + queries) * dim).map(value).collect();
            let all: Vec<&[f32]> = values.chunks(dim).collect();
            let packed = Packed::new(dim, &all[rows..]);
            let mut out = Vec::new();
            packed.dots(Arch::new(), &values[..rows * dim], &mut out);
            let groups = queries.div_ceil(WIDTH);
            for r in 0..rows {
                for q in 0..queries {
                    let exact: f64 = all[r]
                        .iter()
                        .zip(all[rows + q])
                        .map(|(a, b)| f64::from(*a) * f64::from(*b))
                        .sum();
                    let near = [
                        out[r * groups + q / WIDTH][q % WIDTH],
                        dot(Arch::new(), all[r], all[rows + q]),
                    ];
                    for near in near {
                        assert!((f64::from(near) - exact).abs() < 1e-4, "{near} {exact}");
                    }
                }
            }
        }
    }
}
