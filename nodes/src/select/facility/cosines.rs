//! Cosines of single rows with all rows, kept while there is room: rows that nearly lead are looked at again and again.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use super::super::vectors::Vectors;

/// Columns that are filled side by side, so that what is read of others lies together.
const TOGETHER: usize = 32;

/// Columns of the matrix of all cosines.
pub(super) struct Cosines<'a> {
    vectors: &'a Vectors,
    /// Columns that are kept at most, unless more are asked for at once.
    room: usize,
    kept: HashMap<usize, Vec<f32>>,
}

impl<'a> Cosines<'a> {
    pub(super) fn new(vectors: &'a Vectors, bytes: usize) -> Self {
        Self {
            vectors,
            room: bytes / (size_of::<f32>() * vectors.len().max(1)),
            kept: HashMap::new(),
        }
    }

    /// Whether none is ever computed twice.
    pub(super) fn fit_all(&self) -> bool {
        self.room >= self.vectors.len()
    }

    /// The cosines of each of `rows`, which are distinct, with all rows in their order.
    pub(super) fn of(&mut self, rows: &[usize]) -> Vec<&[f32]> {
        let is_missing = |row: &usize| !self.kept.contains_key(row);
        let missing: Vec<usize> = rows.iter().copied().filter(is_missing).collect();
        if self.kept.len() + missing.len() > self.room {
            self.kept.retain(|row, _| rows.contains(row));
        }
        let columns = columns(self.vectors, &missing, 0);
        self.kept.extend(missing.into_iter().zip(columns));
        rows.iter().map(|row| self.kept[row].as_slice()).collect()
    }

    /// The same for rows that follow on all that were asked for before: half of the cosines are known. `rows` begins with a
    /// block of rows.
    pub(super) fn of_next(&mut self, rows: Range<usize>) -> Vec<&[f32]> {
        let before: Vec<&[f32]> = (0..rows.start)
            .map(|row| self.kept[&row].as_slice())
            .collect();
        let numbers: Vec<usize> = rows.clone().collect();
        let whole = |behind: Vec<f32>| [vec![0.0; rows.start], behind].concat();
        let behind = columns(self.vectors, &numbers, rows.start);
        let mut columns: Vec<Vec<f32>> = behind.into_iter().map(whole).collect();
        let parts = columns.par_chunks_mut(TOGETHER).enumerate();
        parts.for_each(|(part, columns)| {
            for (place, known) in before.iter().enumerate() {
                let known = &known[rows.start + part * TOGETHER..];
                for (column, cosine) in columns.iter_mut().zip(known) {
                    column[place] = *cosine;
                }
            }
        });
        self.kept.extend(rows.clone().zip(columns));
        rows.map(|row| self.kept[&row].as_slice()).collect()
    }

    /// Those of a row that nobody asks for again.
    pub(super) fn take(&mut self, row: usize) -> Vec<f32> {
        let kept = self.kept.remove(&row);
        kept.unwrap_or_else(|| columns(self.vectors, &[row], 0).swap_remove(0))
    }
}

/// The cosines of each of `rows` with all rows from a block's first one on.
pub(super) fn columns(vectors: &Vectors, rows: &[usize], first: usize) -> Vec<Vec<f32>> {
    if rows.is_empty() {
        return Vec::new();
    }
    let queries: Vec<&[f32]> = rows.iter().map(|&row| vectors.row(row)).collect();
    let blocks = vectors.dots_from(first, &queries, |dots| {
        let rows = dots.rows().map(|(_, cosines)| &cosines[..queries.len()]);
        rows.flatten().copied().collect::<Vec<f32>>()
    });
    let of_query = |query: usize| {
        let blocks = blocks.iter();
        let values = blocks.flat_map(|block| block[query..].iter().step_by(rows.len()));
        let mut column = Vec::with_capacity(vectors.len() - first);
        column.extend(values);
        column
    };
    (0..rows.len()).into_par_iter().map(of_query).collect()
}
