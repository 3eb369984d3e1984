//! The rows of an input as files of scores and vectors speak of them: by `unique_idx`.

use trommel_engine::node::prelude::*;

/// `unique_idx` of each row of an input.
pub struct Positions {
    rows: Vec<usize>,
    /// They are 0, 1, ... N - 1 in some order. Otherwise rows were left out upstream, and a file for the whole data
    /// set names more than there are.
    whole: bool,
}

impl Positions {
    pub fn new(rows: Vec<usize>) -> Self {
        let mut there = vec![false; rows.len()];
        for &row in &rows {
            if let Some(there) = there.get_mut(row) {
                *there = true;
            }
        }
        Self {
            rows,
            whole: there.into_iter().all(|there| there),
        }
    }

    pub(super) fn of(table: &Table) -> Result<Self, NodeError> {
        let rows = table.unique_idx()?.into_iter();
        Ok(Self::new(rows.map(|row| row as usize).collect()))
    }

    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// One beyond the largest.
    pub fn end(&self) -> usize {
        self.rows.iter().max().map_or(0, |&last| last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_means_without_gaps_in_any_order() {
        assert!(Positions::new(vec![2, 0, 1]).is_whole());
        assert!(Positions::new(vec![]).is_whole());
        assert!(!Positions::new(vec![0, 2]).is_whole());
        assert_eq!(Positions::new(vec![5, 2]).end(), 6);
    }
}
