//! Picks rows so that every row is near to a pick: greedy k-center, the core-set of Sener & Savarese (ICLR 2018, arXiv
//! 1708.00489, algorithm 1; the rule is that of Gonzalez 1985).
//!
//! The first pick is the row that select.random with this `seed` picks first; then, again and again, the row that is
//! farthest from its nearest pick (ties: the first row). The largest distance that is left is at most twice what any
//! choice of as many rows can reach. Distances are Euclidean: between vectors scaled to length 1 (`distance: cosine`: the
//! square is 2 - 2 cos), or between the vectors as they are. Rows without a vector are not picked from, and it is said how
//! many. Gives the rows of the input in the order picked, with `pick` and `radius`: the largest distance of a row to its
//! nearest pick once this one is picked.
//!
//! Exact, and the same whatever the number of threads. A distance to the nearest pick never grows, so a row is not looked at
//! before its last known one leads: at most rows x values x picks multiplications in all, and far fewer where the rows lie
//! in clusters.
//!
//! ```yaml
//! covering: { kind: select.kcenter, input: instructions, vectors: clip.clip, count: 10000 }
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pulp::Arch;
use rayon::prelude::*;
use trommel_engine::node::prelude::*;

use super::bound::Bound;
use super::nearest::squared;
use super::vectors::{Length, Vectors, rows_with_vector};
use super::{order, picks};

/// Picks that cover all rows.
pub struct Kcenter;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    /// What tells how far rows are from each other.
    pub vectors: ColumnRef,
    /// How many rows to pick.
    pub count: usize,
    /// What is measured.
    #[serde(default)]
    pub distance: Distance,
    /// Of the first pick.
    #[serde(default = "super::random::seed")]
    pub seed: u64,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Distance {
    /// Between directions: vectors are scaled to length 1.
    #[default]
    Cosine,
    /// Between the vectors as they are.
    Euclidean,
}

impl Kind for Kcenter {
    const NAME: &'static str = "select.kcenter";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        picks::refuse_none(config.count, contract);
        contract.table("input", &config.input).passes();
        contract.column("vectors", &config.vectors, &[ColumnType::Vector]);
        contract
            .port("rows", RowsOf::New)
            .passes("input")
            .gives("pick", ColumnType::U32)
            .gives("radius", ColumnType::F64);
        contract.permit(Permit::Exclusive);
        contract.memory("vectors", 1.1);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick {
            count: config.count,
            length: match config.distance {
                Distance::Cosine => Length::One,
                Distance::Euclidean => Length::AsItIs,
            },
            seed: config.seed,
        }))
    }
}

struct Pick {
    count: usize,
    length: Length,
    seed: u64,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let column = inputs.column("vectors")?;
        let rows = rows_with_vector(&column, context)?;
        picks::warn_short(self.count, rows.len(), context);
        let vectors = Vectors::read(&column, &rows, self.length)?;
        let lots = order::lots(input, self.seed)?;
        let first = (0..rows.len()).min_by_key(|&index| lots[rows[index]]);
        let count = self.count.min(rows.len());
        let picked = match first {
            None => Vec::new(),
            Some(first) => cover(&vectors, first, count, picks::steps(count, context))?,
        };
        let (positions, radii): (Vec<usize>, Vec<f64>) = picked
            .iter()
            .map(|&(index, radius)| (rows[index], radius))
            .unzip();
        picks::push(input, &positions, &[("radius", radii)], outputs, context)
    }
}

/// Rows whose distance is brought up to date at once: so many at first, then twice as many.
const BATCH: usize = 64;

/// The picks and the radius after each; `count` is at most the number of rows.
fn cover(
    vectors: &Vectors,
    first: usize,
    count: usize,
    mut step: impl FnMut(usize) -> Result<(), NodeError>,
) -> Result<Vec<(usize, f64)>, NodeError> {
    // Squares of distances to the nearest pick.
    let unknown = |row| Bound {
        value: f64::INFINITY,
        row: Reverse(row),
        picks: 0,
    };
    let others = (0..vectors.len()).filter(|&row| row != first);
    let mut bounds: BinaryHeap<Bound> = others.map(unknown).collect();
    let mut picks = vec![first];
    let mut picked = Vec::with_capacity(count);
    loop {
        step(picked.len())?;
        let farthest = farthest(vectors, &picks, &mut bounds);
        let radius = farthest.as_ref().map_or(0.0, |bound| bound.value.sqrt());
        picked.extend(picks.last().map(|&row| (row, radius)));
        match farthest {
            Some(bound) if picked.len() < count => picks.push(bound.row.0),
            _ => return Ok(picked),
        }
    }
}

/// Takes the row that is farthest from its nearest pick. Only rows that may be are looked at.
fn farthest(vectors: &Vectors, picks: &[usize], bounds: &mut BinaryHeap<Bound>) -> Option<Bound> {
    let arch = Arch::new();
    let mut batch = BATCH;
    loop {
        let mut stale = Vec::new();
        let is_stale = |bound: &Bound| bound.picks < picks.len();
        while stale.len() < batch && bounds.peek().is_some_and(is_stale) {
            stale.extend(bounds.pop());
        }
        if stale.is_empty() {
            return bounds.pop();
        }
        stale.par_iter_mut().with_min_len(8).for_each(|bound| {
            let row = vectors.row(bound.row.0);
            for &pick in &picks[bound.picks..] {
                let squared = squared(arch, vectors.row(pick), row);
                bound.value = bound.value.min(squared);
            }
            bound.picks = picks.len();
        });
        bounds.extend(stale);
        batch *= 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule itself, every distance computed anew.
    fn literal(vectors: &Vectors, first: usize, count: usize) -> Vec<(usize, f64)> {
        let mut picked = vec![first];
        let mut radii = Vec::new();
        loop {
            let distance = |row: usize| {
                let all = picked
                    .iter()
                    .map(|&p| squared(Arch::new(), vectors.row(p), vectors.row(row)));
                all.fold(f64::INFINITY, f64::min)
            };
            let left: Vec<usize> = (0..vectors.len())
                .filter(|row| !picked.contains(row))
                .collect();
            let most = left.iter().map(|&row| distance(row)).fold(0.0, f64::max);
            radii.push(most.sqrt());
            if picked.len() == count {
                return picked.into_iter().zip(radii).collect();
            }
            let next = left.iter().copied().find(|&row| distance(row) >= most);
            picked.push(next.unwrap());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn picks_are_those_of_the_rule(
            values in prop::collection::vec(-9_i8..10, 4..160), dim in 1_usize..4, first in any::<usize>(), count in 1_usize..30,
        ) {
            let values: Vec<f32> = values[..values.len() / dim * dim].iter().map(|&v| f32::from(v)).collect();
            for length in [Length::One, Length::AsItIs] {
                let vectors = Vectors::new(dim, values.clone(), length).unwrap();
                let (first, count) = (first % vectors.len(), count.min(vectors.len()));
                let expected = literal(&vectors, first, count);
                for threads in [1, 3] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let found = pool.install(|| cover(&vectors, first, count, |_| Ok(()))).unwrap();
                    prop_assert_eq!(&found, &expected);
                }
                // The radius never grows.
                prop_assert!(expected.is_sorted_by(|a, b| a.1 >= b.1));
            }
        }
    }
}
