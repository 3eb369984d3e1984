//! The greedy rule that picks difficult and diverse samples (Self-Filter, arXiv 2402.12501, stage 2).
//!
//! Again and again: pick the sample with the largest current difficulty d (ties: smallest index); for its k most similar
//! samples that are still there (cosine in f32, ties: smallest index) lower the difficulty by d * similarity^2 * gamma,
//! in f64. d is the current value and may be negative; then the neighbours rise.
//!
//! Looking for neighbours costs nearly all of the time. So a pass over all vectors finds them for a whole batch: for the
//! sample just picked and for the most difficult ones behind it, which are likely to be picked next. A list keeps more
//! than k, because some of its samples may be picked before it is used. The picks are those of the plain rule, exactly.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use rayon::prelude::*;
use trommel_engine::node::prelude::*;

use super::best::Neighbour;
use super::near::Near;
use super::rows::Rows;
use super::similar::Similar;

/// Samples whose neighbours one pass over the vectors looks for.
const BATCH: usize = 96;
/// Neighbours that a list keeps beyond the k that are needed.
const SPARE: usize = 54;
/// Rows that an error names at most.
const NAMED: usize = 20;
/// Norms beyond this could overflow in a product of two.
const MAX_NORM: f32 = 1e18;

/// One picked sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pick {
    /// Its row.
    pub index: usize,
    /// Its difficulty as given.
    pub difficulty: f64,
    /// Its difficulty when it was picked, after the penalties of earlier picks.
    pub penalised: f64,
}

/// What a pick did to one of its neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lowered {
    /// The place of the pick in the order of picking.
    pub pick: usize,
    /// The neighbour's row.
    pub index: usize,
    pub similarity: f32,
    /// The neighbour's difficulty afterwards.
    pub difficulty: f64,
}

/// Samples in the order of picking, and what each did to its neighbours, the most similar first.
#[derive(Debug, Default, PartialEq)]
pub struct Selection {
    pub picks: Vec<Pick>,
    pub lowered: Vec<Lowered>,
}

/// Why there can be no selection.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum GreedyError {
    #[error(transparent)]
    Near(#[from] NodeError),
    #[error("there are {difficulties} difficulties for {vectors} vectors")]
    Lengths { difficulties: usize, vectors: usize },
    #[error("gamma is {gamma}; it must be a finite number")]
    Gamma { gamma: f64 },
    #[error("{count} rows have a difficulty that is no finite number: {rows}")]
    Difficulty { count: usize, rows: String },
    #[error("{count} rows have a vector with values that are not finite or far too large: {rows}")]
    Vector { count: usize, rows: String },
    #[error("{count} rows have a vector of zeros, which is similar to nothing: {rows}")]
    ZeroVector { count: usize, rows: String },
    #[error(
        "after {picks} picks the difficulty of row {row} is no longer a finite number; choose a smaller gamma than {gamma}"
    )]
    Overflow {
        picks: usize,
        row: usize,
        gamma: f64,
    },
}

/// Picks `count` samples (all, if there are fewer) in order. `vectors` has the row of each difficulty; `near` looks through
/// them where somebody else does so.
pub fn greedy(
    difficulty: &[f64],
    vectors: &Rows<'_>,
    count: usize,
    k: usize,
    gamma: f64,
    near: Option<&mut dyn Near>,
) -> Result<Selection, GreedyError> {
    let norms = check(difficulty, vectors, gamma)?;
    let mut lookup = Lookup {
        similar: match near {
            Some(_) => Similar::without_sketch(vectors, &norms),
            None => Similar::new(vectors, &norms),
        },
        near,
        keep: k.saturating_add(SPARE.max(k)).min(difficulty.len()),
    };
    let count = count.min(difficulty.len());
    let mut queue = Queue::new(difficulty);
    let mut lists: HashMap<usize, List> = HashMap::new();
    let mut picks = Vec::with_capacity(count);
    let mut told = Vec::new();
    while picks.len() < count {
        let Some(index) = queue.pop() else { break };
        let penalised = queue.current[index];
        picks.push(Pick {
            index,
            difficulty: difficulty[index],
            penalised,
        });
        let to_come = count - picks.len();
        if to_come == 0 || k == 0 {
            continue;
        }
        if !lists.contains_key(&index) {
            let mut batch = vec![index];
            queue.next_ones(to_come.min(BATCH - 1), &lists, &mut batch);
            lists.extend(lookup.lists(&batch, &queue.picked)?);
        }
        let mut list = lists.remove(&index).unwrap_or_default();
        if list.is_used_up(k, &queue.picked) {
            let again = lookup.lists(&[index], &queue.picked)?;
            list = again
                .into_iter()
                .next()
                .map(|(_, list)| list)
                .unwrap_or_default();
        }
        let left = list
            .neighbours
            .iter()
            .filter(|n| !queue.picked[n.index])
            .take(k);
        for neighbour in left.copied().collect::<Vec<_>>() {
            let similarity = f64::from(neighbour.similarity);
            let lowered =
                queue.current[neighbour.index] - penalised * (similarity * similarity) * gamma;
            if !lowered.is_finite() {
                return Err(GreedyError::Overflow {
                    picks: picks.len(),
                    row: neighbour.index,
                    gamma,
                });
            }
            queue.change(neighbour.index, lowered);
            told.push(Lowered {
                pick: picks.len() - 1,
                index: neighbour.index,
                similarity: neighbour.similarity,
                difficulty: lowered,
            });
        }
    }
    Ok(Selection {
        picks,
        lowered: told,
    })
}

/// Refuses what has no place in the rule and gives the norm of each vector.
fn check(difficulty: &[f64], vectors: &Rows<'_>, gamma: f64) -> Result<Vec<f32>, GreedyError> {
    if difficulty.len() != vectors.len() {
        return Err(GreedyError::Lengths {
            difficulties: difficulty.len(),
            vectors: vectors.len(),
        });
    }
    if !gamma.is_finite() {
        return Err(GreedyError::Gamma { gamma });
    }
    let norms: Vec<f32> = vectors
        .blocks()
        .par_iter()
        .flat_map_iter(|block| block.values.chunks(vectors.dim()).map(norm))
        .collect();
    let rows = |wrong: &dyn Fn(usize) -> bool| {
        let rows: Vec<usize> = (0..norms.len()).filter(|i| wrong(*i)).collect();
        (!rows.is_empty()).then(|| (rows.len(), name(&rows)))
    };
    if let Some((count, rows)) = rows(&|i| !difficulty[i].is_finite()) {
        return Err(GreedyError::Difficulty { count, rows });
    }
    // Not a number compares as false with everything, hence the negation.
    if let Some((count, rows)) = rows(&|i| norms[i].is_nan() || norms[i] > MAX_NORM) {
        return Err(GreedyError::Vector { count, rows });
    }
    if let Some((count, rows)) = rows(&|i| norms[i] == 0.0) {
        return Err(GreedyError::ZeroVector { count, rows });
    }
    Ok(norms)
}

/// Euclidean norm: summed in f64, given as the nearest f32.
pub(crate) fn norm(row: &[f32]) -> f32 {
    row.iter()
        .map(|v| f64::from(*v) * f64::from(*v))
        .sum::<f64>()
        .sqrt() as f32
}

fn name(rows: &[usize]) -> String {
    let named: Vec<String> = rows.iter().take(NAMED).map(usize::to_string).collect();
    let more = if rows.len() > NAMED { ", ..." } else { "" };
    named.join(", ") + more
}

/// The samples by their current difficulty. A change adds an entry; entries of former values are passed over.
struct Queue {
    current: Vec<f64>,
    picked: Vec<bool>,
    heap: BinaryHeap<Waiting>,
}

/// Larger difficulty first, then smaller index.
#[derive(Clone, Copy)]
struct Waiting {
    difficulty: f64,
    index: Reverse<usize>,
}

impl Queue {
    fn new(difficulty: &[f64]) -> Queue {
        let waiting = |(index, difficulty): (usize, &f64)| Waiting {
            difficulty: *difficulty,
            index: Reverse(index),
        };
        Queue {
            current: difficulty.to_vec(),
            picked: vec![false; difficulty.len()],
            heap: difficulty.iter().enumerate().map(waiting).collect(),
        }
    }

    /// Takes the most difficult sample.
    fn pop(&mut self) -> Option<usize> {
        let index = self.pop_current()?.index.0;
        self.picked[index] = true;
        Some(index)
    }

    fn change(&mut self, index: usize, difficulty: f64) {
        self.current[index] = difficulty;
        self.heap.push(Waiting {
            difficulty,
            index: Reverse(index),
        });
    }

    /// Adds to `batch` up to `count` samples without a list, the most difficult first.
    fn next_ones(&mut self, count: usize, lists: &HashMap<usize, List>, batch: &mut Vec<usize>) {
        let mut seen = Vec::new();
        let full = batch.len() + count;
        // Lists wait for what was near the top once; do not dig through all of them for a few more.
        while batch.len() < full && seen.len() < 8 * BATCH {
            let Some(waiting) = self.pop_current() else {
                break;
            };
            let index = waiting.index.0;
            // A sample that went down and up again to the very same value has two entries of that value.
            if !lists.contains_key(&index) && !batch.contains(&index) {
                batch.push(index);
            }
            seen.push(waiting);
        }
        self.heap.extend(seen);
    }

    /// Takes the first entry that is not outdated.
    fn pop_current(&mut self) -> Option<Waiting> {
        loop {
            let waiting = self.heap.pop()?;
            let index = waiting.index.0;
            if !self.picked[index] && self.current[index].to_bits() == waiting.difficulty.to_bits()
            {
                return Some(waiting);
            }
        }
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        // Difficulties are finite; 0.0 and -0.0 are a tie.
        let by_difficulty = self.difficulty.partial_cmp(&other.difficulty);
        by_difficulty
            .unwrap_or(Ordering::Equal)
            .then(self.index.cmp(&other.index))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

/// The samples most similar to one, among those that were there when the list was made.
#[derive(Default)]
struct List {
    neighbours: Vec<Neighbour>,
    /// Whether less similar ones were left out.
    cut: bool,
}

/// Makes lists.
struct Lookup<'a, 'n> {
    similar: Similar<'a>,
    near: Option<&'n mut dyn Near>,
    /// Neighbours of a list.
    keep: usize,
}

impl Lookup<'_, '_> {
    fn lists(&mut self, batch: &[usize], picked: &[bool]) -> Result<Vec<(usize, List)>, NodeError> {
        let keep = self.keep;
        let lists = match &mut self.near {
            Some(near) => self.similar.lists_near(*near, batch, keep, picked)?,
            None => self.similar.lists(batch, keep, picked),
        };
        let lists = lists.into_iter().map(|neighbours| List {
            cut: neighbours.len() == keep,
            neighbours,
        });
        Ok(batch.iter().copied().zip(lists).collect())
    }
}

impl List {
    /// Whether so many of it were picked meanwhile that it no longer tells the k nearest.
    fn is_used_up(&self, k: usize, picked: &[bool]) -> bool {
        self.cut
            && self
                .neighbours
                .iter()
                .filter(|n| !picked[n.index])
                .take(k)
                .count()
                < k
    }
}

#[cfg(test)]
#[path = "greedy_tests.rs"]
mod tests;
