//! Lazy greedy.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use rayon::prelude::*;
use trommel_engine::node::prelude::*;

use super::super::vectors::{Vectors, dot};

/// Gains of all rows that are computed in one pass at the beginning.
const FIRST: usize = 128;
/// Gains that are computed anew in one pass: as many as the kernel takes at once.
const ANEW: usize = 16;
/// Rows that one thread takes at least.
const ROWS: usize = 256;

/// What a row gains: exact for the set of so many picks, and never less than what it gains for a larger one.
#[derive(PartialEq)]
struct Bound {
    gain: f64,
    row: Reverse<usize>,
    picks: usize,
}

impl Eq for Bound {}

impl Ord for Bound {
    /// The largest gain leads, of equal ones the first row.
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.gain.total_cmp(&other.gain);
        order.then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The picks and what each gained; `count` is at most the number of rows. `step` is told how many rows and picks are done.
pub(super) fn greedy(
    vectors: &Vectors,
    count: usize,
    mut step: impl FnMut(usize) -> Result<(), NodeError>,
) -> Result<Vec<(usize, f64)>, NodeError> {
    let mut best = vec![0.0_f32; vectors.len()];
    let mut bounds = BinaryHeap::with_capacity(vectors.len());
    let all: Vec<usize> = (0..vectors.len()).collect();
    for rows in all.chunks(FIRST) {
        step(rows[0])?;
        bounds.extend(anew(vectors, &best, rows, 0));
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
            if bound.picks == picked.len() || bound.gain == 0.0 {
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
                picked.push((row, bound.gain));
                best.par_iter_mut()
                    .enumerate()
                    .with_min_len(ROWS)
                    .for_each(|(other, best)| {
                        *best = best.max(dot(vectors.row(other), vectors.row(row)));
                    });
            }
            known => {
                bounds.extend(known);
                bounds.extend(anew(vectors, &best, &stale, picked.len()));
            }
        }
    }
    Ok(picked)
}

/// What each of `rows` gains now. The sum of a block of rows, then that of the blocks, each in order: no sum is larger where
/// no summand is, whatever is rounded.
fn anew(vectors: &Vectors, best: &[f32], rows: &[usize], picks: usize) -> Vec<Bound> {
    let queries: Vec<&[f32]> = rows.iter().map(|&row| vectors.row(row)).collect();
    let blocks = vectors.dots(&queries, |dots| {
        let mut sums = vec![0.0; queries.len()];
        for (other, cosines) in dots.rows() {
            for (sum, cosine) in sums.iter_mut().zip(cosines) {
                *sum += f64::from((cosine - best[other]).max(0.0));
            }
        }
        sums
    });
    let mut gains = vec![0.0; rows.len()];
    for sums in blocks {
        for (gain, sum) in gains.iter_mut().zip(sums) {
            *gain += sum;
        }
    }
    rows.iter()
        .zip(gains)
        .map(|(&row, gain)| Bound {
            gain,
            row: Reverse(row),
            picks,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::vectors::Length;
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
                let others: Vec<usize> = (0..n).collect();
                let blocks = others
                    .chunks(64)
                    .map(|block| block.iter().fold(0.0, |sum, &o| sum + of(o)));
                let gain = blocks.fold(0.0, |sum, block| sum + block);
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
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let found = pool.install(|| greedy(&vectors, count, |_| Ok(()))).unwrap();
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
        let picked = greedy(&vectors, 2, |_| Ok(())).unwrap();
        // Row 2 (up, a little right) stands for three, then row 0 or 4 for the other two: 4 leaves less.
        assert_eq!(picked[0].0, 2);
        assert_eq!(picked[1].0, literal(&vectors, 2)[1].0);
    }
}
