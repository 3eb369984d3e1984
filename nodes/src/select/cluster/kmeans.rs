//! Spherical k-means.

use rayon::prelude::*;
use trommel_engine::node::prelude::*;
use trommel_engine::table::Digester;

use super::super::nearest::Nearest;
use super::super::vectors::Vectors;

/// Squared distances below this are rounding: such rows are the same.
const SAME: f64 = 1e-12;

/// Which cluster each row is of.
#[derive(Default)]
pub(super) struct Clusters {
    pub(super) of: Vec<u32>,
    /// With the centre.
    pub(super) cosines: Vec<f32>,
    pub(super) count: usize,
    pub(super) iterations: usize,
    /// No row changed its cluster in the end.
    pub(super) settled: bool,
}

/// Clusters vectors of length 1; `count` is at most their number, and fewer clusters are made where fewer are different.
/// `step` is told how many centres were chosen, then how many iterations were made beside.
pub(super) fn kmeans(
    vectors: &Vectors,
    first: usize,
    count: usize,
    seed: u64,
    iterations: usize,
    mut step: impl FnMut(usize) -> Result<(), NodeError>,
) -> Result<Clusters, NodeError> {
    let chosen = first_centres(vectors, first, count, seed, &mut step)?;
    let mut centres = Vectors::none(vectors.dim());
    for &row in &chosen {
        centres.push(vectors.row(row));
    }
    let mut clusters = Clusters {
        count: chosen.len(),
        ..Clusters::default()
    };
    (clusters.of, clusters.cosines) = assign(vectors, &centres);
    while clusters.iterations < iterations && !clusters.settled {
        step(count + clusters.iterations)?;
        centres = means(vectors, &clusters.of, &centres);
        let (of, cosines) = assign(vectors, &centres);
        clusters.settled = of == clusters.of;
        clusters.iterations += 1;
        (clusters.of, clusters.cosines) = (of, cosines);
    }
    Ok(clusters)
}

/// k-means++: after the first, each centre is a row drawn with a chance in proportion to its squared distance from the
/// nearest centre so far.
fn first_centres(
    vectors: &Vectors,
    first: usize,
    count: usize,
    seed: u64,
    step: &mut impl FnMut(usize) -> Result<(), NodeError>,
) -> Result<Vec<usize>, NodeError> {
    let mut nearest = Nearest::new(vectors);
    let mut chosen = vec![first];
    while chosen.len() < count {
        step(chosen.len())?;
        nearest.add(chosen[chosen.len() - 1]);
        let Some(next) = draw(&nearest.squared, lot(seed, chosen.len())) else {
            break;
        };
        chosen.push(next);
    }
    Ok(chosen)
}

/// The row at a part `lot` (0 to 1) of the sum of all weights; none where all are the same as 0.
fn draw(weights: &[f64], lot: f64) -> Option<usize> {
    let weights = || weights.iter().map(|&w| if w > SAME { w } else { 0.0 });
    let wanted = weights().sum::<f64>() * lot;
    let mut sum = 0.0;
    let mut last = None;
    for (row, weight) in weights().enumerate().filter(|(_, weight)| *weight > 0.0) {
        sum += weight;
        last = Some(row);
        if sum > wanted {
            break;
        }
    }
    last
}

/// A number from 0 to 1, without 1.
fn lot(seed: u64, number: usize) -> f64 {
    let digest = Digester::new("trommel.centre.1")
        .field("seed", &seed.to_le_bytes())
        .field("number", &(number as u64).to_le_bytes())
        .finish();
    let mut bits = [0; 8];
    bits.copy_from_slice(&digest.as_bytes()[..8]);
    (u64::from_le_bytes(bits) >> 11) as f64 / (1_u64 << 53) as f64
}

/// For each row the centre of the largest cosine, and that cosine.
fn assign(vectors: &Vectors, centres: &Vectors) -> (Vec<u32>, Vec<f32>) {
    let queries: Vec<&[f32]> = (0..centres.len()).map(|c| centres.row(c)).collect();
    let blocks = vectors.dots(&queries, |dots| {
        let best = |cosines: &[f32]| {
            let mut best = (0, cosines[0]);
            for (centre, &cosine) in (0..).zip(&cosines[..queries.len()]) {
                if cosine > best.1 {
                    best = (centre, cosine);
                }
            }
            best
        };
        dots.rows()
            .map(|(_, cosines)| best(cosines))
            .collect::<Vec<(u32, f32)>>()
    });
    blocks.into_iter().flatten().unzip()
}

/// The mean of each cluster's rows, scaled to length 1; the centre as it was where there is no such direction.
fn means(vectors: &Vectors, of: &[u32], before: &Vectors) -> Vectors {
    let mut members = vec![Vec::new(); before.len()];
    for (row, &cluster) in of.iter().enumerate() {
        members[cluster as usize].push(row);
    }
    // Each sum is that of one thread, in the order of the rows.
    let means: Vec<Vec<f32>> = members
        .par_iter()
        .enumerate()
        .map(|(cluster, rows)| {
            let mut sums = vec![0.0_f64; vectors.dim()];
            for &row in rows {
                for (sum, &value) in sums.iter_mut().zip(vectors.row(row)) {
                    *sum += f64::from(value);
                }
            }
            let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
            if length * length <= SAME {
                return before.row(cluster).to_vec();
            }
            sums.iter().map(|sum| (sum / length) as f32).collect()
        })
        .collect();
    let mut centres = Vectors::none(vectors.dim());
    for mean in &means {
        centres.push(mean);
    }
    centres
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::nearest::squared;
    use super::super::super::vectors::{Length, dot};
    use super::*;

    /// The rule itself, one pair after the other.
    fn literal(
        vectors: &Vectors,
        first: usize,
        count: usize,
        seed: u64,
        iterations: usize,
    ) -> (Vec<u32>, bool) {
        let n = vectors.len();
        let mut chosen = vec![first];
        while chosen.len() < count {
            let distance = |row: usize| {
                let all = chosen
                    .iter()
                    .map(|&c| squared(pulp::Arch::new(), vectors.row(c), vectors.row(row)));
                all.fold(f64::INFINITY, f64::min)
            };
            let weights: Vec<f64> = (0..n)
                .map(distance)
                .map(|d| if d > SAME { d } else { 0.0 })
                .collect();
            let wanted = lot(seed, chosen.len()) * weights.iter().sum::<f64>();
            let Some(next) = (0..n).find(|&row| weights[..=row].iter().sum::<f64>() > wanted)
            else {
                break;
            };
            chosen.push(next);
        }
        let mut centres: Vec<Vec<f32>> = chosen.iter().map(|&c| vectors.row(c).to_vec()).collect();
        let nearest = |row: usize, centres: &[Vec<f32>]| {
            let cosine = |centre: usize| dot(vectors.row(row), &centres[centre]);
            let most = (0..centres.len())
                .map(cosine)
                .fold(f32::NEG_INFINITY, f32::max);
            (0..centres.len())
                .position(|centre| cosine(centre) >= most)
                .unwrap() as u32
        };
        let mut of: Vec<u32> = (0..n).map(|row| nearest(row, &centres)).collect();
        for _ in 0..iterations {
            for (number, centre) in (0..).zip(&mut centres) {
                let mut sum = vec![0.0; vectors.dim()];
                for row in (0..n).filter(|&row| of[row] == number) {
                    for (sum, value) in sum.iter_mut().zip(vectors.row(row)) {
                        *sum += f64::from(*value);
                    }
                }
                let length = sum.iter().map(|s| s * s).sum::<f64>().sqrt();
                if length > 1e-6 {
                    *centre = sum.iter().map(|s| (s / length) as f32).collect();
                }
            }
            let next: Vec<u32> = (0..n).map(|row| nearest(row, &centres)).collect();
            if next == of {
                return (of, true);
            }
            of = next;
        }
        (of, false)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn clusters_are_those_of_the_rule(
            values in prop::collection::vec(-5_i8..6, 4..400), dim in 1_usize..5, first in any::<usize>(),
            count in 1_usize..12, seed in any::<u64>(), iterations in 1_usize..9,
        ) {
            let values: Vec<f32> = values[..values.len() / dim * dim].iter().map(|&v| f32::from(v)).collect();
            let vectors = Vectors::new(dim, values, Length::One).unwrap();
            let (first, count) = (first % vectors.len(), count.min(vectors.len()));
            let (of, settled) = literal(&vectors, first, count, seed, iterations);
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let found = pool.install(|| kmeans(&vectors, first, count, seed, iterations, |_| Ok(()))).unwrap();
                prop_assert_eq!(&found.of, &of);
                prop_assert_eq!(found.settled, settled);
            }
        }

        #[test]
        fn more_iterations_make_no_rows_less_like_their_centres(
            values in prop::collection::vec(-5_i8..6, 40..400), count in 1_usize..8, seed in any::<u64>(),
        ) {
            let values: Vec<f32> = values[..values.len() / 4 * 4].iter().map(|&v| f32::from(v)).collect();
            let vectors = Vectors::new(4, values, Length::One).unwrap();
            let total = |iterations: usize| {
                let clusters = kmeans(&vectors, 0, count, seed, iterations, |_| Ok(())).unwrap();
                clusters.cosines.iter().map(|&c| f64::from(c)).sum::<f64>()
            };
            for iterations in 1..6 {
                prop_assert!(total(iterations + 1) >= total(iterations) - 1e-4);
            }
        }
    }

    #[test]
    fn rows_that_lie_apart_are_told_apart() {
        // Three directions, five rows of each, one after the other.
        let values = (0..15_u8).flat_map(|row| {
            let angle = f32::from(row % 3 * 120 + row / 3).to_radians();
            [angle.cos(), angle.sin()]
        });
        let vectors = Vectors::new(2, values.collect(), Length::One).unwrap();
        let found = kmeans(&vectors, 0, 3, 42, 50, |_| Ok(())).unwrap();
        assert!(found.settled);
        assert_eq!(found.count, 3);
        for row in 3..15 {
            assert_eq!(found.of[row], found.of[row % 3]);
        }
    }

    #[test]
    fn there_are_no_more_clusters_than_different_rows() {
        let values = vec![1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 3.0];
        let vectors = Vectors::new(2, values, Length::One).unwrap();
        let found = kmeans(&vectors, 2, 4, 42, 50, |_| Ok(())).unwrap();
        assert_eq!((found.count, found.of), (2, vec![1, 1, 0, 0]));
    }
}
