//! How far each row is from the nearest of some centres, as centres are added.

use pulp::Arch;
use rayon::prelude::*;

use super::vectors::Vectors;

/// Rows that one thread takes at least.
const ROWS: usize = 256;
/// Where a new centre is more than twice as far from a row's centre as the row is, it cannot be nearer to the row (the
/// triangle inequality). In squares, with room for rounding, which is below 1e-4 of a squared distance.
const FAR: f64 = 4.01;

/// Rows and the squared distance of each to its nearest centre.
pub(super) struct Nearest<'a> {
    vectors: &'a Vectors,
    centres: Vec<usize>,
    /// Infinite before there is a centre.
    pub(super) squared: Vec<f64>,
    /// Place among the centres; of equally near ones the first.
    of: Vec<u32>,
}

impl<'a> Nearest<'a> {
    pub(super) fn new(vectors: &'a Vectors) -> Self {
        Self {
            vectors,
            centres: Vec::new(),
            squared: vec![f64::INFINITY; vectors.len()],
            of: vec![0; vectors.len()],
        }
    }

    /// One more centre, which is a row.
    pub(super) fn add(&mut self, centre: usize) {
        let (vectors, arch) = (self.vectors, Arch::new());
        let added = vectors.row(centre);
        let apart: Vec<f64> = self
            .centres
            .par_iter()
            .with_min_len(ROWS)
            .map(|&other| squared(arch, added, vectors.row(other)))
            .collect();
        let number = self.centres.len() as u32;
        self.squared
            .par_iter_mut()
            .zip(&mut self.of)
            .enumerate()
            .with_min_len(ROWS)
            .for_each(|(row, (nearest, of))| {
                let far = apart.get(*of as usize);
                if far.is_some_and(|far| *far > FAR * *nearest) {
                    return;
                }
                let distance = squared(arch, added, vectors.row(row));
                if distance < *nearest {
                    (*nearest, *of) = (distance, number);
                }
            });
        self.centres.push(centre);
    }
}

/// The square of the distance between two vectors. Its rounding error does not grow with their width: no more than 64
/// squares are added up in f32 before the sum goes to one in f64.
pub(super) fn squared(arch: Arch, a: &[f32], b: &[f32]) -> f64 {
    arch.dispatch(|| added_up(a, b))
}

#[inline(always)]
fn added_up(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 16;
    let mut total = 0.0;
    for (a, b) in a.chunks(64 * LANES).zip(b.chunks(64 * LANES)) {
        let mut sums = [0.0_f32; LANES];
        let (a_wide, a_rest) = a.as_chunks::<LANES>();
        let (b_wide, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a_wide.iter().zip(b_wide) {
            for lane in 0..LANES {
                let difference = a[lane] - b[lane];
                sums[lane] += difference * difference;
            }
        }
        for ((a, b), sum) in a_rest.iter().zip(b_rest).zip(&mut sums) {
            *sum += (a - b) * (a - b);
        }
        total += sums.iter().map(|&sum| f64::from(sum)).sum::<f64>();
    }
    total
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vectors::Length;
    use super::*;

    proptest! {
        #[test]
        fn distances_are_those_of_looking_at_all(
            values in prop::collection::vec(-9_i8..10, 3..600), dim in 1_usize..20, centres in prop::collection::vec(any::<usize>(), 1..20),
        ) {
            let dim = dim.min(values.len());
            let values: Vec<f32> = values[..values.len() / dim * dim].iter().map(|&v| f32::from(v) / 3.0).collect();
            let vectors = Vectors::new(dim, values, Length::AsItIs).unwrap();
            let centres: Vec<usize> = centres.iter().map(|c| c % vectors.len()).collect();
            let mut nearest = Nearest::new(&vectors);
            for &centre in &centres {
                nearest.add(centre);
            }
            for row in 0..vectors.len() {
                let all = centres.iter().map(|&c| squared(Arch::new(), vectors.row(c), vectors.row(row)));
                let smallest = all.fold(f64::INFINITY, f64::min);
                prop_assert_eq!(nearest.squared[row].to_bits(), smallest.to_bits());
            }
        }

        #[test]
        fn a_distance_is_nearly_that_of_wide_numbers(pairs in prop::collection::vec((-1.0..1.0_f32, -1.0..1.0_f32), 1..3000)) {
            let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
            let wide: f64 = pairs.iter().map(|&(a, b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
            prop_assert!((squared(Arch::new(), &a, &b) - wide).abs() <= 1e-5 * wide);
        }
    }
}
