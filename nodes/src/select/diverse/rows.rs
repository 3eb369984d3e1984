//! A matrix of f32 as a table holds it: rows of one length, in chunks of any number of rows.

use std::ops::Range;

/// Rows of one block at most. Small enough that a block's similarities to a batch of queries stay in the cache.
pub(in crate::select) const BLOCK: usize = 64;

/// N rows of D values, borrowed chunk by chunk.
#[derive(Debug)]
pub struct Rows<'a> {
    dim: usize,
    len: usize,
    blocks: Vec<Block<'a>>,
}

/// Some neighbouring rows of one chunk, row-major.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) first: usize,
    pub(crate) values: &'a [f32],
}

impl<'a> Rows<'a> {
    /// `chunks` hold whole rows of `dim` values each, one after the other. None if `dim` is 0 or does not divide a chunk.
    pub fn new(dim: usize, chunks: impl IntoIterator<Item = &'a [f32]>) -> Option<Rows<'a>> {
        let mut rows = Rows {
            dim,
            len: 0,
            blocks: Vec::new(),
        };
        for chunk in chunks {
            if dim == 0 || !chunk.len().is_multiple_of(dim) {
                return None;
            }
            for values in chunk.chunks(BLOCK * dim) {
                rows.blocks.push(Block {
                    first: rows.len,
                    values,
                });
                rows.len += values.len() / dim;
            }
        }
        (dim > 0).then_some(rows)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Values of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// One row. Panics if there is none of that index, as slices do.
    pub fn row(&self, index: usize) -> &'a [f32] {
        let block = self.blocks[self.blocks.partition_point(|b| b.first <= index) - 1];
        let at = (index - block.first) * self.dim;
        &block.values[at..at + self.dim]
    }

    pub(crate) fn blocks(&self) -> &[Block<'a>] {
        &self.blocks
    }
}

impl Block<'_> {
    /// Indices of its rows.
    pub(crate) fn indices(&self, dim: usize) -> Range<usize> {
        self.first..self.first + self.values.len() / dim
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_across_uneven_chunks() {
        let values: Vec<f32> = (0..2 * 200_u16).map(f32::from).collect();
        let chunks = [&values[..2], &values[2..2], &values[2..300], &values[300..]];
        let rows = Rows::new(2, chunks).unwrap();
        assert_eq!((rows.len(), rows.dim()), (200, 2));
        for i in 0..200 {
            assert_eq!(rows.row(i), &values[2 * i..2 * i + 2]);
        }
        let covered: usize = rows.blocks().iter().map(|b| b.indices(2).len()).sum();
        assert_eq!(covered, 200);
    }

    #[test]
    fn a_chunk_of_partial_rows_is_refused() {
        assert!(Rows::new(2, [&[1.0, 2.0, 3.0][..]]).is_none());
        assert!(Rows::new(0, [&[1.0][..]]).is_none());
    }
}
