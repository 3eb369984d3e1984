//! Rows taken one after the other, unless a row taken before is too much like them.

use trommel_engine::node::prelude::*;

use super::vectors::{Vectors, dot};

/// Rows compared with those taken so far in one pass.
const BATCH: usize = 128;

/// Looks at `vectors` in their order until `limit` rows are taken. For each row looked at: none where it is taken, else the
/// first row taken whose cosine with it is above `most`. `step` is told now and then how many rows were looked at.
pub(super) fn apart(
    vectors: &Vectors,
    most: f64,
    limit: usize,
    mut step: impl FnMut(usize) -> Result<(), NodeError>,
) -> Result<Vec<Option<usize>>, NodeError> {
    let mut alike = Vec::new();
    let mut taken: Vec<usize> = Vec::new();
    // Side by side, so that a pass reads nothing else.
    let mut taken_vectors = Vectors::none(vectors.dim());
    let too_much = |cosine: f32| f64::from(cosine) > most;
    while alike.len() < vectors.len() && taken.len() < limit {
        step(alike.len())?;
        let first = alike.len();
        let batch = first..vectors.len().min(first + BATCH);
        let queries: Vec<&[f32]> = batch.clone().map(|row| vectors.row(row)).collect();
        let blocks = taken_vectors.dots(&queries, |dots| {
            let mut found = vec![None; queries.len()];
            for (place, dots) in dots.rows() {
                for (found, cosine) in found.iter_mut().zip(dots) {
                    if found.is_none() && too_much(*cosine) {
                        *found = Some(place);
                    }
                }
            }
            found
        });
        let before = taken.len();
        for row in batch {
            if taken.len() == limit {
                break;
            }
            let earlier = blocks.iter().find_map(|found| found[row - first]);
            let found = earlier.map(|place| taken[place]).or_else(|| {
                let mut of_batch = taken[before..].iter().copied();
                of_batch.find(|&other| too_much(dot(vectors.row(row), vectors.row(other))))
            });
            if found.is_none() {
                taken.push(row);
                taken_vectors.push(vectors.row(row));
            }
            alike.push(found);
        }
    }
    Ok(alike)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vectors::Length;
    use super::*;

    /// The rule itself, one pair after the other.
    fn literal(vectors: &Vectors, most: f64, limit: usize) -> Vec<Option<usize>> {
        let mut taken: Vec<usize> = Vec::new();
        let mut alike = Vec::new();
        for row in 0..vectors.len() {
            if taken.len() == limit {
                break;
            }
            let mut found = None;
            for &other in &taken {
                let cosine = f64::from(dot(vectors.row(row), vectors.row(other)));
                if found.is_none() && cosine > most {
                    found = Some(other);
                }
            }
            if found.is_none() {
                taken.push(row);
            }
            alike.push(found);
        }
        alike
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_are_taken_as_by_the_rule(
            values in prop::collection::vec(-2_i8..3, 0..1200), dim in 1_usize..4, most in -1.0..1.0_f64, limit in 0_usize..500,
        ) {
            let values: Vec<f32> = values[..values.len() / dim * dim].iter().map(|&v| f32::from(v)).collect();
            let vectors = Vectors::new(dim, values, Length::One).unwrap();
            let expected = literal(&vectors, most, limit);
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let found = pool.install(|| apart(&vectors, most, limit, |_| Ok(())));
                prop_assert_eq!(found.unwrap(), expected.clone());
            }
        }
    }

    #[test]
    fn many_rows_taken_are_all_looked_at() {
        // Directions one degree apart: those of 3 degrees and less are too much alike.
        let angle = |degree: usize| (degree as f32).to_radians();
        let values = (0..360).flat_map(|d| [angle(d * 7 % 360).cos(), angle(d * 7 % 360).sin()]);
        let vectors = Vectors::new(2, values.collect(), Length::One).unwrap();
        let most = 3.5_f64.to_radians().cos();
        let found = apart(&vectors, most, usize::MAX, |_| Ok(())).unwrap();
        assert_eq!(found, literal(&vectors, most, usize::MAX));
        assert!(found.iter().filter(|alike| alike.is_none()).count() > 40);
    }
}
