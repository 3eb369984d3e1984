//! Lists by sketch beside those by all pairs.

use super::super::greedy::norm;
use super::*;

const DIM: usize = 128;
const ROWS: usize = 5000;

fn values(of: impl Fn(usize, usize, f32) -> f32) -> Vec<f32> {
    let mut state = 5_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..ROWS * DIM)
        .map(|at| of(at / DIM, at % DIM, noise()))
        .collect()
}

/// Whether lists by sketch are those by all pairs, and how many pairs were computed of how many.
fn compared(values: &[f32], keep: usize) -> (u64, u64) {
    let rows = Rows::new(DIM, [values]).unwrap();
    let norms: Vec<f32> = values.chunks(DIM).map(norm).collect();
    let by_sketch = Similar::new(&rows, &norms);
    assert!(by_sketch.sketch.is_some());
    let by_all = Similar {
        sketch: None,
        ..Similar::new(&rows, &norms)
    };
    let queries: Vec<usize> = (0..40).map(|query| query * 117).collect();
    let gone: Vec<bool> = (0..ROWS).map(|row| row % 7 == 3).collect();
    let expected = by_all.lists(&queries, keep, &gone);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let lists = || by_sketch.lists(&queries, keep, &gone);
        assert_eq!(pool.build().unwrap().install(lists), expected);
        // So that it goes by the sketch the second time as well.
        by_sketch.counts.seen.fetch_add(1 << 40, Ordering::Relaxed);
    }
    let computed = by_sketch.counts.computed.load(Ordering::Relaxed) / 2;
    (computed, (ROWS * queries.len()) as u64)
}

#[test]
fn few_pairs_are_computed_where_rows_lie_in_few_directions() {
    let topic = |row: usize, at: usize| ((row % 50 * 31 + at * 17) % 97) as f32 / 48.0 - 1.0;
    let near = values(|row, at, noise| topic(row, at) + 0.2 * noise);
    let (computed, of) = compared(&near, 20);
    assert!(computed * 8 < of, "{computed} of {of}");
}

#[test]
fn lists_are_right_where_the_sketch_tells_nothing() {
    let (computed, of) = compared(&values(|_, _, noise| noise), 20);
    assert!(computed * 2 > of, "{computed} of {of}");
}

/// More rows with nearly the same bound than are remembered, among them many that are equal.
#[test]
fn lists_are_right_where_very_many_rows_are_alike() {
    let alike = |row: usize, at: usize, noise: f32| {
        let base = ((row % 2 * 5 + at * 17) % 97) as f32 / 48.0 - 1.0;
        base + if row.is_multiple_of(3) {
            0.0
        } else {
            1e-4 * noise
        }
    };
    compared(&values(alike), 30);
    compared(&values(alike), 1);
}

#[test]
fn floats_keep_their_order_as_bits() {
    let ordered = [-2.0_f32, -1.5, -1e-30, 0.0, 1e-30, 0.5, 1.0];
    for pair in ordered.windows(2) {
        assert!(bits(pair[0]) < bits(pair[1]));
    }
    assert!(
        ordered
            .iter()
            .all(|value| number(bits(*value)).to_bits() == value.to_bits())
    );
}

#[test]
fn blocks_are_visited_once_each() {
    for count in [1, 2, 64, 2469, 15625] {
        let mut seen: Vec<usize> = (0..count).map(|place| scattered(place, count)).collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..count));
    }
}

/// Looks for near rows as a device does: in another order of addition, with its rounding.
struct Elsewhere<'a> {
    values: &'a [f32],
    asked: usize,
}

impl Near for Elsewhere<'_> {
    fn near(
        &mut self,
        queries: &[usize],
        count: usize,
        gone: &[bool],
    ) -> Result<Vec<Found>, NodeError> {
        self.asked += 1;
        let row = |index: usize| &self.values[index * DIM..(index + 1) * DIM];
        let cosine = |a: usize, b: usize| {
            let pairs = row(a).iter().zip(row(b)).rev();
            let product: f32 = pairs.map(|(a, b)| a / norm(row(0)) * b).sum();
            product * norm(row(0)) / norm(row(a)) / norm(row(b))
        };
        let found = queries.iter().map(|&query| {
            let others = (0..ROWS).filter(|&index| index != query && !gone[index]);
            let mut others: Vec<(usize, f32)> =
                others.map(|index| (index, cosine(query, index))).collect();
            others.sort_by(|a, b| b.1.total_cmp(&a.1));
            let all = others.len() < count;
            others.truncate(count);
            Found {
                neighbours: others,
                all,
            }
        });
        Ok(found.collect())
    }
}

#[test]
fn lists_are_right_whoever_looks_for_near_rows() {
    let topic = |row: usize, at: usize| ((row % 50 * 31 + at * 17) % 97) as f32 / 48.0 - 1.0;
    let near = values(|row, at, noise| topic(row, at) + 0.2 * noise);
    // Among the very many that are alike, more are as near as the last of a list than are found.
    let alike = values(|row, at, noise| {
        let length = 1.0 + (row % 3) as f32;
        length * (topic(0, at) + if row % 10 == 0 { noise } else { 0.0 })
    });
    for values in [near, alike] {
        let rows = Rows::new(DIM, [values.as_slice()]).unwrap();
        let norms: Vec<f32> = values.chunks(DIM).map(norm).collect();
        let similar = Similar::without_sketch(&rows, &norms);
        let queries: Vec<usize> = (0..12).map(|query| query * 117).collect();
        for left_out in [7, 1] {
            // At last there are fewer rows than a list has.
            let gone: Vec<bool> = (0..ROWS)
                .map(|row| row % 7 == 3 || (left_out == 1 && row > 15))
                .collect();
            let mut elsewhere = Elsewhere {
                values: &values,
                asked: 0,
            };
            let lists = similar.lists_near(&mut elsewhere, &queries, 20, &gone);
            assert_eq!(lists.unwrap(), similar.lists(&queries, 20, &gone));
            assert_eq!(elsewhere.asked, 1);
        }
    }
}
