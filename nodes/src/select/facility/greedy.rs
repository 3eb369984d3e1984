//! Lazy greedy.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pulp::Arch;
use rayon::prelude::*;
use trommel_engine::node::prelude::*;

use super::super::bound::Bound;
use super::super::diverse::rows::BLOCK;
use super::super::vectors::Vectors;
use super::cosines::{Cosines, columns};

/// Gains of all rows that are computed in one pass at the beginning.
const FIRST: usize = 2 * BLOCK;
/// Sums that a gain is added up in.
const LANES: usize = 8;
/// Gains that are computed anew in one pass: as many as the kernel takes at once.
const ANEW: usize = 16;

/// The picks and what each gained; `count` is at most the number of rows, and `bytes` of cosines may be kept. `step` is told
/// how many rows and picks are done.
pub(super) fn greedy(
    vectors: &Vectors,
    count: usize,
    bytes: usize,
    mut step: impl FnMut(usize) -> Result<(), NodeError>,
) -> Result<Vec<(usize, f64)>, NodeError> {
    let mut best = vec![0.0_f32; vectors.len()];
    let mut cosines = Cosines::new(vectors, bytes);
    let mut bounds = BinaryHeap::with_capacity(vectors.len());
    let all: Vec<usize> = (0..vectors.len()).collect();
    for rows in all.chunks(FIRST) {
        step(rows[0])?;
        let gains = if cosines.fit_all() {
            let rows = rows[0]..rows[0] + rows.len();
            gains(&cosines.of_next(rows), &best)
        } else {
            gains(&columns(vectors, rows, 0), &best)
        };
        bounds.extend(bounds_of(rows, gains, 0));
    }
    let mut picked: Vec<(usize, f64)> = Vec::with_capacity(count);
    while picked.len() < count {
        step(vectors.len() + picked.len())?;
        let mut stale = Vec::new();
        let known = loop {
            let Some(bound) = bounds.pop() else {
                break None;
            };
            // What is 0 once stays 0.
            if bound.picks == picked.len() || bound.value == 0.0 {
                break Some(bound);
            }
            stale.push(bound.row.0);
            if stale.len() == ANEW {
                break None;
            }
        };
        match known {
            Some(bound) if stale.is_empty() => {
                let row = bound.row.0;
                picked.push((row, bound.value));
                for (best, cosine) in best.iter_mut().zip(cosines.take(row)) {
                    *best = best.max(cosine);
                }
            }
            known => {
                bounds.extend(known);
                let gains = gains(&cosines.of(&stale), &best);
                bounds.extend(bounds_of(&stale, gains, picked.len()));
            }
        }
    }
    Ok(picked)
}

fn bounds_of(rows: &[usize], gains: Vec<f64>, picks: usize) -> impl Iterator<Item = Bound> {
    rows.iter().zip(gains).map(move |(&row, value)| Bound {
        value,
        row: Reverse(row),
        picks,
    })
}

/// What rows gain, from their cosines.
fn gains<C: AsRef<[f32]> + Sync>(cosines: &[C], best: &[f32]) -> Vec<f64> {
    let arch = Arch::new();
    let of_row = |cosines: &C| arch.dispatch(|| gain(cosines.as_ref(), best));
    cosines.par_iter().map(of_row).collect()
}

/// Every eighth summand in one sum, in order, then the sums, in order: no sum is larger where no summand is, whatever is
/// rounded.
#[expect(
    clippy::inline_always,
    reason = "it is compiled for the instruction set that dispatch chose"
)]
#[inline(always)]
fn gain(cosines: &[f32], best: &[f32]) -> f64 {
    let mut sums = [0.0; LANES];
    let gained = |cosine: f32, best: f32| f64::from((cosine - best).max(0.0));
    let (wide, rest) = cosines.as_chunks::<LANES>();
    let (wide_best, rest_best) = best.as_chunks::<LANES>();
    for (cosines, best) in wide.iter().zip(wide_best) {
        for lane in 0..LANES {
            sums[lane] += gained(cosines[lane], best[lane]);
        }
    }
    for ((cosine, best), sum) in rest.iter().zip(rest_best).zip(&mut sums) {
        *sum += gained(*cosine, *best);
    }
    sums.iter().fold(0.0, |total, sum| total + sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::vectors::{Length, dot};
    use super::*;

    /// The rule itself: every gain of every row for every pick.
    fn literal(vectors: &Vectors, count: usize) -> Vec<(usize, f64)> {
        let n = vectors.len();
        let mut picked: Vec<(usize, f64)> = Vec::new();
        while picked.len() < count {
            let best = |row: usize| {
                let cosines = picked
                    .iter()
                    .map(|&(p, _)| dot(vectors.row(row), vectors.row(p)));
                cosines.fold(0.0, f32::max)
            };
            let best: Vec<f32> = (0..n).map(best).collect();
            let mut most: Option<(usize, f64)> = None;
            for row in (0..n).filter(|row| picked.iter().all(|(p, _)| p != row)) {
                let of = |other: usize| {
                    let cosine = dot(vectors.row(other), vectors.row(row));
                    f64::from((cosine - best[other]).max(0.0))
                };
                let mut sums = [0.0; LANES];
                for other in 0..n {
                    sums[other % LANES] += of(other);
                }
                let gain = sums.iter().fold(0.0, |total, sum| total + sum);
                if most.is_none_or(|(_, most)| gain > most) {
                    most = Some((row, gain));
                }
            }
            picked.extend(most);
        }
        picked
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn picks_are_those_of_the_rule(
            values in prop::collection::vec(-5_i8..6, 4..300), dim in 1_usize..5, count in 1_usize..30,
        ) {
            let values: Vec<f32> = values[..values.len() / dim * dim].iter().map(|&v| f32::from(v)).collect();
            let vectors = Vectors::new(dim, values, Length::One).unwrap();
            let count = count.min(vectors.len());
            let expected = literal(&vectors, count);
            // Room for no cosines, for those of some rows, and for all.
            for (threads, bytes) in [(1, 0), (3, 4 * 20 * vectors.len()), (2, usize::MAX)] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let found = pool.install(|| greedy(&vectors, count, bytes, |_| Ok(()))).unwrap();
                prop_assert_eq!(&found, &expected);
            }
            // Submodular: what is gained never grows.
            prop_assert!(expected.is_sorted_by(|a, b| a.1 >= b.1));
        }
    }

    #[test]
    fn one_row_of_each_direction_is_picked_first() {
        let values = vec![1.0, 0.0, 0.0, 1.0, 0.1, 1.0, -0.1, 1.0, 1.0, 0.1];
        let vectors = Vectors::new(2, values, Length::One).unwrap();
        let picked = greedy(&vectors, 2, 0, |_| Ok(())).unwrap();
        // Row 2 (up, a little right) stands for three, then row 0 or 4 for the other two: 4 leaves less.
        assert_eq!(picked[0].0, 2);
        assert_eq!(picked[1].0, literal(&vectors, 2)[1].0);
    }
}
