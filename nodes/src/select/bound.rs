//! What leads a lazy search: numbers that only fall as rows are picked, each known for so many picks.

use std::cmp::{Ordering, Reverse};

/// The number of a row: exact for so many picks, and never less than for more.
#[derive(PartialEq)]
pub(super) struct Bound {
    pub(super) value: f64,
    pub(super) row: Reverse<usize>,
    pub(super) picks: usize,
}

impl Eq for Bound {}

impl Ord for Bound {
    /// The largest leads, of equal ones the first row.
    fn cmp(&self, other: &Self) -> Ordering {
        let order = self.value.total_cmp(&other.value);
        order.then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
