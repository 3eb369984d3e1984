//! Which rows are duplicates of one that is kept.

use std::collections::HashMap;

use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::UInt64Type;
use foldhash::HashMapExt;
use trommel_engine::node::prelude::*;
use trommel_engine::table::{RowDigest, row_digests};

use super::super::apart::apart;
use super::super::picks;
use super::super::vectors::{Length, Vectors, has_vector};

/// What makes two rows duplicates.
#[derive(Clone, Copy)]
pub(super) enum Alike {
    Keys,
    /// So many bits differ at most.
    Hash(u32),
    /// The cosine is above this.
    Vectors(f64),
}

impl Alike {
    /// For each row, in the order of `rows`: the row kept that it is a duplicate of, or none where it is kept.
    pub(super) fn find(
        self,
        rows: &[usize],
        inputs: &Inputs,
        context: &Context<'_>,
    ) -> Result<Vec<Option<usize>>, NodeError> {
        match self {
            Self::Keys => {
                let keys = keys(&inputs.columns("keys"))?;
                Ok(first_equal(rows, |row| keys[row].as_deref()))
            }
            Self::Hash(distance) => {
                let hashes = hashes(&inputs.column("hash")?)?;
                Ok(first_near(rows, &hashes, distance))
            }
            Self::Vectors(similarity) => {
                let column = inputs.column("vectors")?;
                let there = has_vector(&column)?;
                let with: Vec<usize> = rows.iter().copied().filter(|&row| there[row]).collect();
                let vectors = Vectors::read(&column, &with, Length::One)?;
                let steps = picks::steps(with.len(), context);
                let mut alike = apart(&vectors, similarity, usize::MAX, steps)?.into_iter();
                let found = |&row: &usize| {
                    let place = if there[row] {
                        alike.next().flatten()
                    } else {
                        None
                    };
                    place.map(|place| with[place])
                };
                Ok(rows.iter().map(found).collect())
            }
        }
    }
}

/// What the columns hold in each row; none where all of them are null.
fn keys(columns: &[ColumnView<'_>]) -> Result<Vec<Option<Vec<RowDigest>>>, NodeError> {
    let rows = columns.first().map_or(0, |column| column.table.rows());
    let mut keys: Vec<(bool, Vec<RowDigest>)> = vec![(false, Vec::new()); rows];
    for column in columns {
        let mut row = 0;
        for array in column.arrays()? {
            let digests = row_digests(&[("", array.clone())], &[], array.len())?;
            let nulls = array.logical_nulls();
            for (place, digest) in digests.into_iter().enumerate() {
                let there = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(place));
                keys[row].0 |= there;
                keys[row].1.push(digest);
                row += 1;
            }
        }
    }
    Ok(keys
        .into_iter()
        .map(|(there, key)| there.then_some(key))
        .collect())
}

fn hashes(column: &ColumnView<'_>) -> Result<Vec<Option<u64>>, NodeError> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let mut hashes = Vec::with_capacity(column.table.rows());
    for array in column.arrays()? {
        let array = cast_with_options(&array, &DataType::UInt64, &strict).map_err(|e| {
            NodeError::new(format!(
                "{} holds no hashes of 64 bits: {e}",
                column.reference
            ))
            .help("a hash is a u64, as score.image gives it")
        })?;
        hashes.extend(array.as_primitive::<UInt64Type>().iter());
    }
    Ok(hashes)
}

fn first_equal<'k>(
    rows: &[usize],
    key: impl Fn(usize) -> Option<&'k [RowDigest]>,
) -> Vec<Option<usize>> {
    let mut kept: HashMap<&[RowDigest], usize> = HashMap::new();
    let mut found = |row: usize| match kept.entry(key(row)?) {
        std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
        std::collections::hash_map::Entry::Vacant(place) => {
            place.insert(row);
            None
        }
    };
    rows.iter().map(|&row| found(row)).collect()
}

/// Of hashes that differ in at most d bits, at least one of d + 1 bands of bits is the same: only rows that share a band are
/// compared.
fn first_near(rows: &[usize], hashes: &[Option<u64>], distance: u32) -> Vec<Option<usize>> {
    let bands = bands(distance + 1);
    let mut kept: Vec<(usize, u64)> = Vec::new();
    let mut by_band: foldhash::HashMap<(usize, u64), Vec<usize>> = foldhash::HashMap::new();
    let mut found = |row: usize| {
        let hash = hashes[row]?;
        let shared = bands.iter().enumerate();
        let shared = shared.filter_map(|(band, mask)| by_band.get(&(band, hash & mask)));
        let near = |&place: &usize| (kept[place].1 ^ hash).count_ones() <= distance;
        // Each list is in the order of keeping.
        let first = shared
            .filter_map(|places| places.iter().copied().find(near))
            .min();
        if let Some(place) = first {
            return Some(kept[place].0);
        }
        for (band, mask) in bands.iter().enumerate() {
            by_band
                .entry((band, hash & mask))
                .or_default()
                .push(kept.len());
        }
        kept.push((row, hash));
        None
    };
    rows.iter().map(|&row| found(row)).collect()
}

/// Masks of `count` (1 to 64) runs of bits that make up all 64.
fn bands(count: u32) -> Vec<u64> {
    let below = |bits: u32| u64::MAX.checked_shr(64 - bits).unwrap_or(0);
    let start = |band: u32| 64 * band / count;
    (0..count)
        .map(|band| below(start(band + 1)) & !below(start(band)))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule itself: a row is kept unless one kept before is its duplicate.
    fn literal(rows: &[usize], duplicates: impl Fn(usize, usize) -> bool) -> Vec<Option<usize>> {
        let mut kept: Vec<usize> = Vec::new();
        rows.iter()
            .map(|&row| {
                let found = kept.iter().copied().find(|&other| duplicates(other, row));
                if found.is_none() {
                    kept.push(row);
                }
                found
            })
            .collect()
    }

    proptest! {
        #[test]
        fn hashes_are_compared_as_if_with_all(
            centres in prop::collection::vec(any::<u64>(), 1..4),
            flips in prop::collection::vec((0_usize..4, prop::collection::vec(0_u32..64, 0..12), 0_u8..10), 0..60),
            distance in 0_u32..64,
        ) {
            let hashes: Vec<Option<u64>> = flips
                .iter()
                .map(|(centre, bits, there)| {
                    let hash = centres[centre % centres.len()];
                    (*there > 0).then(|| bits.iter().fold(hash, |hash, bit| hash ^ (1 << bit)))
                })
                .collect();
            let rows: Vec<usize> = (0..hashes.len()).rev().collect();
            let expected = literal(&rows, |a, b| match (hashes[a], hashes[b]) {
                (Some(a), Some(b)) => (0..64).filter(|bit| a >> bit & 1 != b >> bit & 1).count() <= distance as usize,
                _ => false,
            });
            prop_assert_eq!(first_near(&rows, &hashes, distance), expected);
        }

        #[test]
        fn keys_are_compared_as_if_with_all(values in prop::collection::vec(prop::option::of(0_u8..6), 0..40)) {
            let keys: Vec<Option<Vec<RowDigest>>> = values.iter().map(|v| v.map(|v| vec![[v; 16]])).collect();
            let rows: Vec<usize> = (0..keys.len()).rev().collect();
            let expected = literal(&rows, |a, b| values[a].is_some() && values[a] == values[b]);
            prop_assert_eq!(first_equal(&rows, |row| keys[row].as_deref()), expected);
        }
    }

    #[test]
    fn bands_make_up_all_bits_once() {
        for count in 1..=64 {
            let bands = bands(count);
            assert_eq!(bands.len(), count as usize);
            assert!(bands.iter().all(|&band| band != 0));
            assert_eq!(bands.iter().map(|band| band.count_ones()).sum::<u32>(), 64);
            assert_eq!(bands.iter().fold(0, |all, band| all | band), u64::MAX);
        }
    }
}
