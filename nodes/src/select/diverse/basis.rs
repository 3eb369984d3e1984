//! A few orthonormal directions in which rows are long: subspace iteration over a sample of them (Halko, Martinsson, Tropp 2011,
//! algorithm 4.4).

use pulp::Arch;
use rayon::prelude::*;

use super::dot::Panel;
use super::rows::{Block, Rows};

/// Rows that the directions are found from.
const SAMPLE: usize = 4096;
const ROUNDS: usize = 3;
/// Rows of a product's block.
const BLOCK: usize = 64;

pub(crate) struct Basis {
    pub(crate) directions: Vec<Vec<f32>>,
    /// How far the directions, as they are stored, are off being orthonormal: at least the largest eigenvalue of D D^T - 1, in size.
    pub(crate) skew: f64,
}

impl Basis {
    /// `count` directions, at most as many as a row has values, from rows that are spread evenly over all. The same on every machine.
    pub(crate) fn of_sample(arch: Arch, rows: &Rows<'_>, norms: &[f32], count: usize) -> Self {
        let dim = rows.dim();
        let sample = SAMPLE.min(rows.len());
        let taken = (0..sample).map(|place| place * rows.len() / sample);
        let mut across: Vec<f32> = Vec::with_capacity(sample * dim);
        for row in taken {
            across.extend(rows.row(row).iter().map(|value| value / norms[row]));
        }
        let along = transposed(&across, dim);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut directions: Vec<Vec<f32>> = (0..count)
            .map(|_| (0..dim).map(|_| noise(&mut state)).collect())
            .collect();
        for _ in 0..ROUNDS {
            orthonormalise(&mut directions, &mut state);
            let coordinates = products(arch, &across, dim, &directions);
            directions = products(arch, &along, sample, &coordinates);
        }
        orthonormalise(&mut directions, &mut state);
        let skew = skew(&directions);
        Self { directions, skew }
    }
}

/// Each of `vectors` with all rows of a matrix, whose rows have `dim` values.
fn products(arch: Arch, matrix: &[f32], dim: usize, vectors: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let queries: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).collect();
    let panel = Panel::new(dim, &queries);
    let blocks: Vec<Vec<f32>> = matrix
        .par_chunks(BLOCK * dim)
        .map(|values| {
            let mut dots = Vec::new();
            panel.dots(arch, &Block { first: 0, values }, &mut dots);
            dots
        })
        .collect();
    let rows = || blocks.iter().flat_map(|b| b.chunks_exact(panel.stride()));
    (0..vectors.len())
        .map(|vector| rows().map(|dots| dots[vector]).collect())
        .collect()
}

fn transposed(matrix: &[f32], dim: usize) -> Vec<f32> {
    let rows = matrix.len() / dim;
    let mut out = vec![0.0; matrix.len()];
    out.par_chunks_mut(rows)
        .enumerate()
        .for_each(|(column, out)| {
            for (row, out) in out.iter_mut().enumerate() {
                *out = matrix[row * dim + column];
            }
        });
    out
}

/// Gram and Schmidt, twice, in f64. A direction that depends on those before is replaced by noise.
fn orthonormalise(directions: &mut [Vec<f32>], state: &mut u64) {
    let mut done: Vec<Vec<f64>> = Vec::with_capacity(directions.len());
    for direction in directions.iter_mut() {
        let mut own: Vec<f64> = direction.iter().map(|value| f64::from(*value)).collect();
        loop {
            let before = length(&own);
            for _ in 0..2 {
                for other in &done {
                    let share: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                    for (own, other) in own.iter_mut().zip(other) {
                        *own -= share * other;
                    }
                }
            }
            let left = length(&own);
            if left > before * 1e-6 && left.is_normal() {
                for value in &mut own {
                    *value /= left;
                }
                break;
            }
            for value in &mut own {
                *value = f64::from(noise(state));
            }
        }
        for (value, own) in direction.iter_mut().zip(&own) {
            *value = *own as f32;
        }
        done.push(own);
    }
}

fn length(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The Frobenius norm of D D^T - 1.
fn skew(directions: &[Vec<f32>]) -> f64 {
    let squares: f64 = directions
        .par_iter()
        .enumerate()
        .map(|(row, a)| {
            let off = |(column, b): (usize, &Vec<f32>)| {
                let product: f64 = a
                    .iter()
                    .zip(b)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum();
                (product - f64::from(u8::from(row == column))).powi(2)
            };
            directions.iter().enumerate().map(off).sum::<f64>()
        })
        .sum();
    squares.sqrt() * 1.01
}

/// Between -1 and 1.
fn noise(state: &mut u64) -> f32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
}
