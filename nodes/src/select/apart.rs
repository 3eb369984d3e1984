//! Rows taken one after the other, unless a row taken before is too much like them.

use trommel_engine::node::prelude::*;

use super::diverse::sketch::Sketch;
use super::vectors::{Vectors, dot};

/// Rows compared with those taken so far in one pass.
const BATCH: usize = 128;
/// Rows taken before it pays to make sketches.
const MANY: usize = if cfg!(test) { 64 } else { 2048 };
/// Where more than one pair in so many has to be computed after a look at its sketch, the sketch does not pay.
const PAYS: usize = 12;

/// Looks at `vectors` in their order until `limit` rows are taken. For each row looked at: none where it is taken, else the
/// first row taken whose cosine with it is above `most`. `step` is told now and then how many rows were looked at.
///
/// A pass looks at what may lie above `most`, in sketch or by products that need only be near; that is then computed.
pub(super) fn apart(
    vectors: &Vectors,
    most: f64,
    limit: usize,
    mut step: impl FnMut(usize) -> Result<(), NodeError>,
) -> Result<Vec<Option<usize>>, NodeError> {
    let mut alike = Vec::new();
    let mut taken: Vec<usize> = Vec::new();
    let mut looks = Looks::new(vectors, None, &[]);
    let mut was_sketched = false;
    let too_much =
        |one: usize, other: usize| f64::from(dot(vectors.row(one), vectors.row(other))) > most;
    while alike.len() < vectors.len() && taken.len() < limit {
        step(alike.len())?;
        if taken.len() >= MANY && !was_sketched {
            was_sketched = true;
            looks = Looks::new(vectors, vectors.sketch(), &taken);
        }
        let first = alike.len();
        let batch = first..vectors.len().min(first + BATCH);
        let least = most - looks.slack;
        let queries: Vec<&[f32]> = batch.clone().map(|row| looks.of(row)).collect();
        let blocks = looks.taken.near_dots(&queries, |dots| {
            let mut found = vec![None; queries.len()];
            let mut computed = 0;
            for (place, dots) in dots.rows() {
                for ((query, found), near) in found.iter_mut().enumerate().zip(dots) {
                    if f64::from(*near) > least && found.is_none() {
                        computed += 1;
                        *found = too_much(taken[place], first + query).then_some(place);
                    }
                }
            }
            (found, computed)
        });
        let (pairs, before) = (taken.len() * batch.len(), taken.len());
        for row in batch {
            if taken.len() == limit {
                break;
            }
            let earlier = blocks.iter().find_map(|(found, _)| found[row - first]);
            let found = earlier.map(|place| taken[place]).or_else(|| {
                let mut of_batch = taken[before..].iter().copied();
                of_batch.find(|&other| too_much(other, row))
            });
            if found.is_none() {
                taken.push(row);
                looks.take(row);
            }
            alike.push(found);
        }
        let computed: usize = blocks.iter().map(|(_, computed)| computed).sum();
        if looks.sketch.is_some() && computed * PAYS > pairs {
            looks = Looks::new(vectors, None, &taken);
        }
    }
    Ok(alike)
}

/// Rows as a pass looks at them.
struct Looks<'a> {
    vectors: &'a Vectors,
    sketch: Option<Sketch>,
    /// How far a cosine may lie above the product of what stands for its rows.
    slack: f64,
    /// Side by side, so that a pass reads nothing else.
    taken: Vectors,
}

impl<'a> Looks<'a> {
    fn new(vectors: &'a Vectors, sketch: Option<Sketch>, taken: &[usize]) -> Self {
        let (width, slack) = match &sketch {
            // The rows are of length 1 but for rounding.
            Some(sketch) => (sketch.width, f64::from(sketch.slack + 8.0 * f32::EPSILON)),
            None => (vectors.dim(), vectors.off()),
        };
        let mut looks = Self {
            vectors,
            sketch,
            slack,
            taken: Vectors::none(width),
        };
        for &row in taken {
            looks.take(row);
        }
        looks
    }

    fn of(&self, row: usize) -> &[f32] {
        look(self.vectors, self.sketch.as_ref(), row)
    }

    fn take(&mut self, row: usize) {
        self.taken
            .push(look(self.vectors, self.sketch.as_ref(), row));
    }
}

fn look<'a>(vectors: &'a Vectors, sketch: Option<&'a Sketch>, row: usize) -> &'a [f32] {
    sketch.map_or_else(|| vectors.row(row), |sketch| sketch.row(row))
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

    /// As many rows and values as a sketch needs.
    #[test]
    fn sketches_change_nothing() {
        let (rows, dim, limit) = (4096, 128, 200);
        let mut state = 1_u32;
        let mut value = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let centres: Vec<f32> = (0..8 * dim).map(|_| value()).collect();
        // Near to one of eight directions in various degrees: a sketch tells most pairs apart; or anywhere: it tells nothing.
        for (spread, pays) in [(0.4, true), (30.0, false)] {
            let mut values = Vec::with_capacity(rows * dim);
            for row in 0..rows {
                let spread = spread * (row % 10) as f32 / 10.0;
                let centre = &centres[row % 8 * dim..][..dim];
                values.extend(centre.iter().map(|c| c + spread * value()));
            }
            let vectors = Vectors::new(dim, values, Length::One).unwrap();
            assert!(vectors.sketch().is_some());
            let most = if pays { 0.95 } else { 0.2 };
            let found = apart(&vectors, most, limit, |_| Ok(())).unwrap();
            assert_eq!(found, literal(&vectors, most, limit), "{spread}");
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
