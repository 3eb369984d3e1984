//! Vectors of the rows that a selection looks at, and their cosines block by block.
//!
//! A cosine here is the dot product of two rows that were each divided by their length (f64, rounded to f32), in the
//! fixed order of `diverse/dot.rs`: the same bits whatever the processor, the blocks and the number of threads. A row of
//! zeros has no direction: its cosine with every row is 0.

use pulp::Arch;
use rayon::prelude::*;
use trommel_engine::node::prelude::*;

use super::diverse::dot::{self, Panel};
use super::diverse::greedy;
use super::diverse::rows::Rows;
use super::diverse::scan::{Packed, WIDTH};
use super::diverse::sketch::Sketch;

/// Blocks that one thread takes at least.
const BLOCKS: usize = 8;

/// What is done to each vector before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// Divided by its length.
    One,
    AsItIs,
}

/// Vectors of one width, in the order in which they were asked for.
pub(super) struct Vectors {
    dim: usize,
    values: Vec<f32>,
}

/// Dot products of some neighbouring rows with a batch of queries.
pub(super) struct Dots<'a> {
    /// Index of the first row.
    pub(super) first: usize,
    stride: usize,
    values: &'a [f32],
}

impl Dots<'_> {
    /// For each row its dot products with the queries; what stands behind those of the queries has no meaning.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        (self.first..).zip(self.values.chunks_exact(self.stride))
    }
}

/// Which rows have a vector.
pub(super) fn has_vector(column: &ColumnView<'_>) -> Result<Vec<bool>, NodeError> {
    let chunks = column.vectors()?;
    let there = chunks
        .iter()
        .flat_map(|chunk| (0..chunk.rows()).map(|row| chunk.row(row).is_some()));
    Ok(there.collect())
}

/// The rows that have a vector, in their order. Those without are told: they are not picked from.
pub(super) fn rows_with_vector(
    column: &ColumnView<'_>,
    context: &Context<'_>,
) -> Result<Vec<usize>, NodeError> {
    let there = has_vector(column)?;
    let all = there.len();
    let rows: Vec<usize> = (0..all).filter(|&row| there[row]).collect();
    if rows.len() < all {
        context.warn(format!(
            "{} of {all} rows have no vector and are not picked from",
            all - rows.len()
        ));
    }
    Ok(rows)
}

impl Vectors {
    /// Copies the vectors of `rows`, which must all have one, of one width and finite.
    pub(super) fn read(
        column: &ColumnView<'_>,
        rows: &[usize],
        length: Length,
    ) -> Result<Self, NodeError> {
        let chunks = column.vectors()?;
        let mut starts = Vec::with_capacity(chunks.len());
        let mut next = 0;
        for chunk in &chunks {
            starts.push(next);
            next += chunk.rows();
        }
        let vector = |row: usize| {
            let chunk = starts.partition_point(|&start| start <= row) - 1;
            chunks[chunk].row(row - starts[chunk])
        };
        refuse(column, rows, "have no vector", |row| vector(row).is_none())?;
        let dim = rows
            .first()
            .and_then(|&row| vector(row))
            .map_or(0, <[f32]>::len);
        refuse(
            column,
            rows,
            "have a vector of another length than the first",
            |row| vector(row).is_some_and(|v| v.len() != dim),
        )?;
        if dim == 0 && !rows.is_empty() {
            return Err(NodeError::new(format!(
                "{} holds vectors of no values",
                column.reference
            )));
        }
        let mut values = Vec::with_capacity(rows.len() * dim);
        for &row in rows {
            values.extend_from_slice(vector(row).unwrap_or_default());
        }
        Self::new(dim, values, length).or_else(|wrong| {
            let wrong: Vec<usize> = wrong.iter().map(|&index| rows[index]).collect();
            let what = "have a vector that is not finite or longer than 1e15";
            refuse(column, &wrong, what, |_| true).map(|()| Self::none(dim))
        })
    }

    /// Row after row; or the indices of the rows that cannot be used.
    pub(super) fn new(
        dim: usize,
        mut values: Vec<f32>,
        length: Length,
    ) -> Result<Self, Vec<usize>> {
        let width = dim.max(1);
        // Squares of what is longer leave the range of f32 once they are summed.
        let far = |row: &[f32]| !norm(row).is_finite() || norm(row) > 1e15;
        let wrong: Vec<usize> = values
            .par_chunks(width)
            .enumerate()
            .filter_map(|(index, row)| far(row).then_some(index))
            .collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if length == Length::One {
            values.par_chunks_mut(width).for_each(|row| {
                let norm = norm(row);
                if norm > 0.0 {
                    for value in row {
                        *value = (f64::from(*value) / norm) as f32;
                    }
                }
            });
        }
        Ok(Self { dim, values })
    }

    /// No vectors yet, of the same width as others.
    pub(super) fn none(dim: usize) -> Self {
        Self {
            dim,
            values: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: &[f32]) {
        self.values.extend_from_slice(row);
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn len(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    pub(super) fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dim..(index + 1) * self.dim]
    }

    pub(super) fn rows(&self) -> Option<Rows<'_>> {
        Rows::new(self.dim, [self.values.as_slice()])
    }

    /// What tells most pairs of rows apart by fewer values; none where it would not pay. The rows are of length 1.
    pub(super) fn sketch(&self) -> Option<Sketch> {
        let rows = self.rows()?;
        let norms: Vec<f32> = (0..rows.len())
            .map(|row| greedy::norm(rows.row(row)))
            .collect();
        Sketch::new(Arch::new(), &rows, &norms)
    }

    /// As [`Self::dots`], but each may be off by [`Self::off`]: twice as fast.
    pub(super) fn near_dots<T: Send>(
        &self,
        queries: &[&[f32]],
        each: impl Fn(Dots<'_>) -> T + Sync,
    ) -> Vec<T> {
        let Some(rows) = self.rows() else {
            return Vec::new();
        };
        let packed = Packed::new(self.dim, queries);
        let stride = queries.len().next_multiple_of(WIDTH);
        let arch = Arch::new();
        rows.blocks()
            .par_iter()
            .with_min_len(BLOCKS)
            .map_init(Vec::new, |out, block| {
                packed.dots(arch, block.values, out);
                each(Dots {
                    first: block.first,
                    stride,
                    values: out.as_flattened(),
                })
            })
            .collect()
    }

    /// How far a dot product of [`Self::near_dots`] and that of [`dot`] may lie apart, for rows of length 1.
    pub(super) fn off(&self) -> f64 {
        let dim = self.dim as f64;
        let sums = dim + dim / dot::DEPTH as f64 + dot::DEPTH as f64 + 16.0;
        sums * f64::from(f32::EPSILON) / 2.0 * 1.01
    }

    /// Dot products of all rows with some queries, on all threads: what `each` makes of each block of rows, in their order.
    pub(super) fn dots<T: Send>(
        &self,
        queries: &[&[f32]],
        each: impl Fn(Dots<'_>) -> T + Sync,
    ) -> Vec<T> {
        self.dots_from(0, queries, each)
    }

    /// The same without the blocks of rows that begin before a row.
    pub(super) fn dots_from<T: Send>(
        &self,
        first: usize,
        queries: &[&[f32]],
        each: impl Fn(Dots<'_>) -> T + Sync,
    ) -> Vec<T> {
        let Some(rows) = self.rows() else {
            return Vec::new();
        };
        let blocks = rows.blocks();
        let blocks = &blocks[blocks.partition_point(|block| block.first < first)..];
        let panel = Panel::new(self.dim, queries);
        let arch = Arch::new();
        blocks
            .par_iter()
            .with_min_len(BLOCKS)
            .map_init(Vec::new, |out, block| {
                panel.dots(arch, block, out);
                each(Dots {
                    first: block.first,
                    stride: panel.stride(),
                    values: out,
                })
            })
            .collect()
    }
}

/// The dot product of one pair, the same bits as [`Vectors::dots`] gives.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    dot::exact(a, b)
}

/// The length of a vector.
fn norm(row: &[f32]) -> f64 {
    row.iter()
        .map(|&value| f64::from(value).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// An error that names the rows for which `wrong` holds, if there are any.
fn refuse(
    column: &ColumnView<'_>,
    rows: &[usize],
    what: &str,
    wrong: impl Fn(usize) -> bool,
) -> Result<(), NodeError> {
    const NAMED: usize = 20;
    let mut wrong: Vec<usize> = rows.iter().copied().filter(|&row| wrong(row)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort_unstable();
    let named: Vec<String> = wrong.iter().take(NAMED).map(usize::to_string).collect();
    let more = if wrong.len() > NAMED { ", .." } else { "" };
    Err(NodeError::new(format!(
        "{} rows {what} in {}: rows {}{more}",
        wrong.len(),
        column.reference,
        named.join(", ")
    ))
    .help("mend the node that gives it, or leave those rows out with select.where"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_are_those_of_the_rows_whatever_their_lengths() {
        let values: Vec<f32> = (0..300)
            .flat_map(|i| [i as f32, 2.0, 0.5 * i as f32])
            .collect();
        let vectors = Vectors::new(3, values.clone(), Length::One).unwrap();
        let queries = [vectors.row(0), vectors.row(299)];
        let found = vectors.dots(&queries, |dots| {
            dots.rows()
                .map(|(row, dots)| (row, dots[0], dots[1]))
                .collect::<Vec<_>>()
        });
        let found: Vec<_> = found.into_iter().flatten().collect();
        assert_eq!(found.len(), 300);
        for (i, (row, first, last)) in found.into_iter().enumerate() {
            assert_eq!(row, i);
            assert_eq!(
                first.to_bits(),
                dot(vectors.row(i), vectors.row(0)).to_bits()
            );
            let (a, b) = (&values[3 * i..3 * i + 3], &values[3 * 299..]);
            let product: f64 = a.iter().zip(b).map(|(x, y)| f64::from(x * y)).sum();
            assert!((f64::from(last) - product / (norm(a) * norm(b))).abs() < 1e-6);
        }
    }

    #[test]
    fn what_has_no_direction_is_like_nothing() {
        let vectors = Vectors::new(2, vec![0.0, 0.0, 3.0, 4.0], Length::One).unwrap();
        assert_eq!(vectors.row(1), [0.6, 0.8]);
        assert_eq!(dot(vectors.row(0), vectors.row(1)).to_bits(), 0);
    }

    #[test]
    fn what_is_no_vector_is_named() {
        let values = vec![1.0, f32::NAN, 1.0, 1.0, f32::INFINITY, 0.0, 1e16, 0.0];
        let wrong = Vectors::new(2, values, Length::AsItIs).err();
        assert_eq!(wrong, Some(vec![0, 2, 3]));
    }
}
