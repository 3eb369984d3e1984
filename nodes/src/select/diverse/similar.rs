//! The rows most similar to each of a batch of rows: one pass over all rows serves the whole batch.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use pulp::Arch;
use rayon::prelude::*;
use trommel_engine::node::prelude::*;

use super::best::{Best, LEAST, Neighbour, merged};
use super::dot::{Panel, exact};
use super::near::{Found, Near};
use super::rows::{Block, Rows};
use super::scan::{Packed, WIDTH, dot};
use super::sketch::Sketch;

/// Rows with their norms.
pub(crate) struct Similar<'a> {
    rows: &'a Rows<'a>,
    norms: &'a [f32],
    arch: Arch,
    sketch: Option<Sketch>,
    counts: Counts,
}

/// Pairs that were looked at in sketch, and those of them that had to be computed.
#[derive(Default)]
struct Counts {
    seen: AtomicU64,
    computed: AtomicU64,
}

/// Where more than one pair in so many has to be computed, the sketch does not pay.
const PAYS: u64 = 12;

impl<'a> Similar<'a> {
    /// `norms` holds one finite, positive number per row.
    pub(crate) fn new(rows: &'a Rows<'a>, norms: &'a [f32]) -> Self {
        let mut similar = Self::without_sketch(rows, norms);
        similar.sketch = Sketch::new(similar.arch, rows, norms);
        similar
    }

    /// For whom the rows are looked through by somebody else.
    pub(crate) fn without_sketch(rows: &'a Rows<'a>, norms: &'a [f32]) -> Self {
        Similar {
            rows,
            norms,
            arch: Arch::new(),
            sketch: None,
            counts: Counts::default(),
        }
    }

    /// For each query (a row's index) the `keep` most similar other rows that are not `gone`, most similar first,
    /// equal ones by index. The result does not depend on batch or threads, nor on who looks through the rows.
    pub(crate) fn lists(
        &self,
        queries: &[usize],
        keep: usize,
        gone: &[bool],
    ) -> Vec<Vec<Neighbour>> {
        let best = match self.sketch.as_ref().filter(|_| self.pays()) {
            Some(sketch) => self.by_sketch(sketch, queries, keep, gone),
            None => self.by_all(queries, keep, gone),
        };
        best.into_iter().map(Best::sorted).collect()
    }

    /// The same lists, from what `near` finds.
    pub(crate) fn lists_near(
        &self,
        near: &mut dyn Near,
        queries: &[usize],
        keep: usize,
        gone: &[bool],
    ) -> Result<Vec<Vec<Neighbour>>, NodeError> {
        let found = near.near(queries, keep.saturating_mul(2), gone)?;
        let best = self.by_near(&found, queries, keep, gone);
        Ok(best.into_iter().map(Best::sorted).collect())
    }

    fn pays(&self) -> bool {
        let computed = self.counts.computed.load(Ordering::Relaxed);
        computed * PAYS <= self.counts.seen.load(Ordering::Relaxed)
    }

    /// Computes every pair.
    fn by_all(&self, queries: &[usize], keep: usize, gone: &[bool]) -> Vec<Best> {
        let start = || queries.iter().map(|_| Best::new(keep)).collect();
        let values: Vec<&[f32]> = queries.iter().map(|q| self.rows.row(*q)).collect();
        let panel = Panel::new(self.rows.dim(), &values);
        let blocks = self.rows.blocks().par_iter();
        blocks
            .fold(
                || (Vec::new(), start()),
                |(mut dots, mut best), block| {
                    panel.dots(self.arch, block, &mut dots);
                    for (index, dots) in self
                        .left(block, gone)
                        .zip(dots.chunks_exact(panel.stride()))
                    {
                        let Some(index) = index else { continue };
                        for ((query, dot), best) in queries.iter().zip(dots).zip(&mut best) {
                            self.offer(*query, index, *dot, best);
                        }
                    }
                    (dots, best)
                },
            )
            .map(|(_, best)| best)
            .reduce(&start, merged)
    }

    /// Computes the pairs that were found to be near, until no other can be among the best.
    fn by_near(&self, found: &[Found], queries: &[usize], keep: usize, gone: &[bool]) -> Vec<Best> {
        let slack = near_slack(self.rows.dim());
        let mut best: Vec<(Best, bool)> = found
            .par_iter()
            .zip(queries)
            .map(|(found, query)| self.nearest(*query, found, slack, keep))
            .collect();
        let rest: Vec<usize> = (0..queries.len()).filter(|place| !best[*place].1).collect();
        if !rest.is_empty() {
            let again: Vec<usize> = rest.iter().map(|place| queries[*place]).collect();
            for (place, found) in rest.into_iter().zip(self.by_all(&again, keep, gone)) {
                best[place].0 = found;
            }
        }
        best.into_iter().map(|(best, _)| best).collect()
    }

    /// The best of the neighbours whose bounds were found, and whether no others can be among them.
    fn nearest(&self, query: usize, found: &Found, slack: f32, keep: usize) -> (Best, bool) {
        let mut best = Best::new(keep);
        for &(index, bound) in &found.neighbours {
            if bound + slack < best.least {
                return (best, true);
            }
            self.compute(query, index, &mut best);
        }
        (best, found.all)
    }

    /// Computes the pairs with the largest bounds, until no other can be among the best.
    fn by_sketch(
        &self,
        sketch: &Sketch,
        queries: &[usize],
        keep: usize,
        gone: &[bool],
    ) -> Vec<Best> {
        let hopeful = keep.saturating_mul(HOPEFUL);
        let start = || queries.iter().map(|_| Best::new(hopeful)).collect();
        let least = vec![LEAST; queries.len()];
        let bounds = self.scan(
            sketch,
            (queries, &least),
            0.0,
            gone,
            start,
            |_, index, bound, best| {
                best.push(Neighbour {
                    index,
                    similarity: bound,
                });
            },
        );
        let mut best: Vec<(Best, bool)> = bounds
            .into_par_iter()
            .zip(queries)
            .map(|(bounds, query)| {
                let all = bounds.found.len() < hopeful;
                let sorted = bounds.sorted().into_iter();
                let found = Found {
                    neighbours: sorted.map(|n| (n.index, n.similarity)).collect(),
                    all,
                };
                self.nearest(*query, &found, sketch.slack, keep)
            })
            .collect();
        // The others are looked for once more, with what was found as the least.
        let rest: Vec<usize> = (0..queries.len()).filter(|place| !best[*place].1).collect();
        if !rest.is_empty() {
            let again: Vec<usize> = rest.iter().map(|place| queries[*place]).collect();
            let least: Vec<f32> = rest
                .iter()
                .map(|place| best[*place].0.least - sketch.slack)
                .collect();
            let start = || again.iter().map(|_| Best::new(keep)).collect();
            let found = self.scan(
                sketch,
                (&again, &least),
                sketch.slack,
                gone,
                start,
                |query, index, bound, best| {
                    if bound + sketch.slack >= best.least {
                        self.compute(query, index, best);
                    }
                },
            );
            for (place, found) in rest.into_iter().zip(found) {
                best[place].0 = found;
            }
        }
        let seen = self.rows.len() as u64 * queries.len() as u64;
        self.counts.seen.fetch_add(seen, Ordering::Relaxed);
        best.into_iter().map(|(best, _)| best).collect()
    }

    /// Looks at all rows in sketch: `take` gets those whose bound reaches what their query has less `margin`, which is `least` at
    /// first. All threads share what that is.
    fn scan(
        &self,
        sketch: &Sketch,
        (queries, least): (&[usize], &[f32]),
        margin: f32,
        gone: &[bool],
        start: impl Fn() -> Vec<Best> + Sync,
        take: impl Fn(usize, usize, f32, &mut Best) + Sync,
    ) -> Vec<Best> {
        let sketches: Vec<&[f32]> = queries.iter().map(|q| sketch.row(*q)).collect();
        let packed = Packed::new(sketch.width, &sketches);
        let shared: Vec<AtomicU32> = least
            .iter()
            .map(|least| AtomicU32::new(bits(*least)))
            .collect();
        let (next, blocks) = (AtomicUsize::new(0), self.rows.blocks());
        // A task for each thread and no more: the more rows one has seen, the more it knows to leave out.
        let tasks = (0..rayon::current_num_threads())
            .into_par_iter()
            .with_max_len(1);
        let work = |_| {
            let (mut dots, mut best) = (Vec::new(), start());
            let mut least = vec![[f32::INFINITY; WIDTH]; queries.len().div_ceil(WIDTH)];
            while let Some(place) =
                Some(next.fetch_add(1, Ordering::Relaxed)).filter(|p| *p < blocks.len())
            {
                for (query, shared) in shared.iter().enumerate() {
                    least[query / WIDTH][query % WIDTH] = number(shared.load(Ordering::Relaxed));
                }
                // Far apart one after the other: what is alike often stands side by side, and the first blocks are to be like all.
                let block = &blocks[scattered(place, blocks.len())];
                packed.dots(self.arch, sketch.of(block, self.rows.dim()), &mut dots);
                for (index, dots) in self.left(block, gone).zip(dots.chunks_exact(least.len())) {
                    let Some(index) = index else { continue };
                    for (group, (dots, least)) in dots.iter().zip(&least).enumerate() {
                        for lane in reached(dots, least) {
                            let place = group * WIDTH + lane;
                            if queries[place] != index {
                                take(queries[place], index, dots[lane], &mut best[place]);
                            }
                        }
                    }
                }
                for (shared, best) in shared.iter().zip(&best) {
                    shared.fetch_max(bits(best.least - margin), Ordering::Relaxed);
                }
            }
            best
        };
        tasks.map(work).reduce(&start, merged)
    }

    /// Computes a pair, in full only where it can be among the best.
    fn compute(&self, query: usize, index: usize, best: &mut Best) {
        self.counts.computed.fetch_add(1, Ordering::Relaxed);
        let (a, b) = (self.rows.row(index), self.rows.row(query));
        let roughly = dot(self.arch, a, b) / self.norms[index] / self.norms[query];
        if roughly + near_slack(self.rows.dim()) >= best.least {
            self.offer(query, index, exact(a, b), best);
        }
    }

    /// The rows of a block, none in the place of those that are gone.
    fn left<'g>(
        &self,
        block: &Block<'_>,
        gone: &'g [bool],
    ) -> impl Iterator<Item = Option<usize>> + use<'g> {
        let rows = block.indices(self.rows.dim());
        rows.map(move |index| (!gone[index]).then_some(index))
    }

    fn offer(&self, query: usize, index: usize, dot: f32, best: &mut Best) {
        let similarity = dot / self.norms[index] / self.norms[query];
        if similarity >= best.least && index != query {
            best.push(Neighbour { index, similarity });
        }
    }
}

/// Times as many rows are remembered by their bounds as neighbours are wanted.
const HOPEFUL: usize = 8;

/// What a product of [`dot`] and an exact one are apart at most, for rows of length 1.
fn near_slack(dim: usize) -> f32 {
    (2.0 * (dim as f64 + 80.0) / f64::from(1 << 24)) as f32
}

/// Lanes whose bound reaches what their query has.
fn reached(bounds: &[f32; WIDTH], least: &[f32; WIDTH]) -> impl Iterator<Item = usize> + use<> {
    let mut any = 0_u32;
    for lane in 0..WIDTH {
        any |= u32::from(bounds[lane] >= least[lane]) << lane;
    }
    std::iter::from_fn(move || {
        let lane = any.trailing_zeros() as usize;
        any &= any.wrapping_sub(1);
        (lane < WIDTH).then_some(lane)
    })
}

/// Unsigned numbers in the order of the floats.
fn bits(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    }
}

fn number(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 {
        bits ^ 1 << 31
    } else {
        !bits
    })
}

/// A permutation of `0..count`.
fn scattered(place: usize, count: usize) -> usize {
    // A prime that is no divisor of a count this size.
    const STRIDE: usize = 2_654_435_761;
    (place * STRIDE) % count
}

#[cfg(test)]
#[path = "similar_tests.rs"]
mod tests;
