//! The rows most similar to each of a batch of rows: one pass over all rows serves the whole batch.

use pulp::Arch;
use rayon::prelude::*;

use super::dot::Panel;
use super::rows::{Block, Rows};

/// A row and its cosine similarity to the query, in f32: dot product, divided by the row's norm, then by the query's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) index: usize,
    pub(crate) similarity: f32,
}

/// Rows with their norms.
pub(crate) struct Similar<'a> {
    rows: &'a Rows<'a>,
    norms: &'a [f32],
    arch: Arch,
}

impl<'a> Similar<'a> {
    /// `norms` holds one finite, positive number per row.
    pub(crate) fn new(rows: &'a Rows<'a>, norms: &'a [f32]) -> Self {
        Similar {
            rows,
            norms,
            arch: Arch::new(),
        }
    }

    /// For each query (a row's index) the `keep` most similar other rows that are not `gone`, most similar first,
    /// equal ones by index. The result does not depend on batch or threads.
    pub(crate) fn lists(
        &self,
        queries: &[usize],
        keep: usize,
        gone: &[bool],
    ) -> Vec<Vec<Neighbour>> {
        let values: Vec<&[f32]> = queries.iter().map(|q| self.rows.row(*q)).collect();
        let panel = Panel::new(self.rows.dim(), &values);
        let start = || Pass {
            dots: Vec::new(),
            best: queries.iter().map(|_| Best::new(keep)).collect(),
        };
        self.rows
            .blocks()
            .par_iter()
            .fold(start, |mut pass, block| {
                panel.dots(self.arch, block, &mut pass.dots);
                self.offer(&mut pass, block, queries, panel.stride(), gone);
                pass
            })
            .reduce(start, |mut left, right| {
                for (left, right) in left.best.iter_mut().zip(right.best) {
                    left.merge(right);
                }
                left
            })
            .best
            .into_iter()
            .map(Best::sorted)
            .collect()
    }

    fn offer(
        &self,
        pass: &mut Pass,
        block: &Block<'_>,
        queries: &[usize],
        stride: usize,
        gone: &[bool],
    ) {
        let indices = block.indices(self.rows.dim());
        for (index, dots) in indices.zip(pass.dots.chunks_exact(stride)) {
            if gone[index] {
                continue;
            }
            let norm = self.norms[index];
            for ((query, dot), best) in queries.iter().zip(dots).zip(&mut pass.best) {
                let similarity = dot / norm / self.norms[*query];
                if similarity >= best.least && index != *query {
                    best.push(Neighbour { index, similarity });
                }
            }
        }
    }
}

/// What one thread gathers.
struct Pass {
    dots: Vec<f32>,
    best: Vec<Best>,
}

/// The best `keep` so far, in no order, among up to as many that may still fall out.
struct Best {
    keep: usize,
    /// Whatever is below cannot be among the best.
    least: f32,
    found: Vec<Neighbour>,
}

impl Best {
    fn new(keep: usize) -> Best {
        Best {
            keep,
            least: f32::NEG_INFINITY,
            found: Vec::with_capacity(2 * keep),
        }
    }

    fn push(&mut self, neighbour: Neighbour) {
        self.found.push(neighbour);
        if self.found.len() >= 2 * self.keep {
            self.shrink();
        }
    }

    fn merge(&mut self, other: Best) {
        self.found.extend(other.found);
        self.shrink();
    }

    fn shrink(&mut self) {
        if self.keep == 0 {
            self.found.clear();
        } else if self.found.len() > self.keep {
            let (_, worst, _) = self.found.select_nth_unstable_by(self.keep - 1, order);
            self.least = worst.similarity;
            self.found.truncate(self.keep);
        }
    }

    fn sorted(mut self) -> Vec<Neighbour> {
        self.shrink();
        self.found.sort_unstable_by(order);
        self.found
    }
}

/// More similar first, equal ones by index. Norms are checked, so similarities are numbers.
fn order(a: &Neighbour, b: &Neighbour) -> std::cmp::Ordering {
    let similarity = b.similarity.partial_cmp(&a.similarity);
    similarity
        .unwrap_or(std::cmp::Ordering::Equal)
        .then(a.index.cmp(&b.index))
}
