//! An input as it was against the input as it is: rows that came, went, or read otherwise.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::error::ArrowError;

use super::last::{Place, Seen, objects_of};
use crate::cache::Cache;
use crate::table::{Digest, KEY, RowDigest, StoredBatch, Table, row_digests};

/// Bytes of column data, of both sides together, that a reason is worth reading.
const MOST_BYTES: usize = 256 << 20;

/// How the rows of two tables differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub added: usize,
    /// None where there is too much to read.
    pub changed: Option<usize>,
    pub removed: usize,
    /// The keys that are there on both sides stand in another order; false where rows came or went.
    pub reordered: bool,
}

type Key = [u8; 16];

/// Rows are the same by their `key`; `columns` are those whose values count. None where the old
/// table is no longer there as a whole.
pub(super) fn compare(
    old: &Seen,
    new: &Table,
    columns: &[&str],
    cache: &Cache,
) -> Option<Difference> {
    let names: Vec<&str> = [KEY].iter().chain(columns).copied().collect();
    let (all_before, all_after) = (old_chunks(old, &names)?, new_chunks(new, &names)?);
    let (mut before, mut after) = (all_before.clone(), all_after.clone());
    drop_common(&mut before, &mut after);
    let (before, after) = (read(&before, cache).ok()?, read(&after, cache).ok()?);
    let bytes = bytes_of(&before)? + bytes_of(&after)?;
    let with_values = bytes <= MOST_BYTES;
    let (before, after) = (
        rows(&before, columns, with_values).ok()?,
        rows(&after, columns, with_values).ok()?,
    );
    let mut difference = Difference {
        added: 0,
        changed: with_values.then_some(0),
        removed: before
            .keys()
            .filter(|key| !after.contains_key(*key))
            .count(),
        reordered: false,
    };
    for (key, row) in &after {
        match (before.get(key), &mut difference.changed) {
            (None, _) => difference.added += 1,
            (Some(other), Some(changed)) => *changed += usize::from(other != row),
            (Some(_), None) => {}
        }
    }
    if difference.added + difference.removed == 0 {
        difference.reordered = !same_keys(&all_before, &all_after, cache).ok()?;
    }
    Some(difference)
}

/// Whether the keys are the same, chunk by chunk and row by row.
fn same_keys(before: &[Chunk], after: &[Chunk], cache: &Cache) -> Result<bool, ArrowError> {
    if before.len() != after.len() {
        return Ok(false);
    }
    for (old, new) in before
        .iter()
        .zip(after)
        .filter(|(old, new)| old[0] != new[0])
    {
        let keys = read(&[vec![old[0]], vec![new[0]]], cache)?;
        if *keys[0][0] != *keys[1][0] {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the columns of one chunk lie: object and position of each.
type Chunk = Vec<(Digest, usize)>;

fn old_chunks(old: &Seen, names: &[&str]) -> Option<Vec<Chunk>> {
    let places: Vec<Place> = names
        .iter()
        .map(|name| old.columns.get(*name).copied())
        .collect::<Option<_>>()?;
    let chunks = old.objects.get(places[0].0)?.len();
    (0..chunks)
        .map(|chunk| {
            let column = |place: &Place| {
                let object = old.objects.get(place.0)?.get(chunk)?;
                Some((*object, place.1))
            };
            places.iter().map(column).collect()
        })
        .collect()
}

fn new_chunks(new: &Table, names: &[&str]) -> Option<Vec<Chunk>> {
    let columns = names
        .iter()
        .map(|name| objects_of(new, name))
        .collect::<Option<Vec<_>>>()?;
    let chunk = |chunk: usize| columns.iter().map(|(o, at)| (o[chunk], *at)).collect();
    Some((0..new.chunks().len()).map(chunk).collect())
}

/// Chunks that are there on both sides hold the same rows.
fn drop_common(before: &mut Vec<Chunk>, after: &mut Vec<Chunk>) {
    let mut there: HashMap<Chunk, usize> = HashMap::new();
    for chunk in after.iter() {
        *there.entry(chunk.clone()).or_default() += 1;
    }
    let mut common: HashMap<Chunk, usize> = HashMap::new();
    before.retain(|chunk| match there.get_mut(chunk) {
        Some(count) if *count > 0 => {
            *count -= 1;
            *common.entry(chunk.clone()).or_default() += 1;
            false
        }
        _ => true,
    });
    after.retain(|chunk| match common.get_mut(chunk) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
}

/// The arrays of each chunk, the key first.
fn read(chunks: &[Chunk], cache: &Cache) -> Result<Vec<Vec<ArrayRef>>, ArrowError> {
    let mut batches: HashMap<Digest, Arc<StoredBatch>> = HashMap::new();
    let mut column =
        |(object, at): &(Digest, usize)| {
            let batch = batches
                .entry(*object)
                .or_insert_with(|| StoredBatch::new(cache.object_path(*object)))
                .batch()?;
            batch.columns().get(*at).cloned().ok_or_else(|| {
                ArrowError::IpcError(format!("the object {object} has no column {at}"))
            })
        };
    chunks
        .iter()
        .map(|chunk| chunk.iter().map(&mut column).collect())
        .collect()
}

fn bytes_of(chunks: &[Vec<ArrayRef>]) -> Option<usize> {
    let mut bytes = 0;
    for array in chunks.iter().flat_map(|chunk| &chunk[1..]) {
        bytes += array.to_data().get_slice_memory_size().ok()?;
    }
    Some(bytes)
}

/// Each row by its key, with the digest of its values.
fn rows(
    chunks: &[Vec<ArrayRef>],
    columns: &[&str],
    with_values: bool,
) -> Result<HashMap<Key, RowDigest>, ArrowError> {
    let mut rows = HashMap::new();
    for chunk in chunks {
        let keys = chunk[0]
            .as_fixed_size_binary_opt()
            .ok_or_else(|| ArrowError::SchemaError("keys of another type".into()))?;
        let named: Vec<(&str, ArrayRef)> = columns
            .iter()
            .copied()
            .zip(chunk[1..].iter().cloned())
            .collect();
        let digests = if with_values && !named.is_empty() {
            row_digests(&named, &[], keys.len())?
        } else {
            vec![[0; 16]; keys.len()]
        };
        for (row, digest) in digests.into_iter().enumerate() {
            let key: Key = keys
                .value(row)
                .try_into()
                .map_err(|_| ArrowError::SchemaError("keys of another length".into()))?;
            rows.insert(key, digest);
        }
    }
    Ok(rows)
}
