//! The best neighbours so far, of many that are offered.

/// A row and its cosine similarity to the query, in f32: dot product, divided by the row's norm, then by the query's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Neighbour {
    pub(crate) index: usize,
    pub(crate) similarity: f32,
}

/// Below every similarity.
pub(super) const LEAST: f32 = -2.0;

/// The best `keep` so far, in no order, among up to as many that may still fall out.
pub(super) struct Best {
    keep: usize,
    /// Whatever is below cannot be among the best.
    pub(super) least: f32,
    pub(super) found: Vec<Neighbour>,
}

impl Best {
    pub(super) fn new(keep: usize) -> Best {
        Best {
            keep,
            least: LEAST,
            found: Vec::with_capacity(2 * keep),
        }
    }

    pub(super) fn push(&mut self, neighbour: Neighbour) {
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

    pub(super) fn sorted(mut self) -> Vec<Neighbour> {
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

pub(super) fn merged(mut left: Vec<Best>, right: Vec<Best>) -> Vec<Best> {
    for (left, right) in left.iter_mut().zip(right) {
        left.merge(right);
    }
    left
}
