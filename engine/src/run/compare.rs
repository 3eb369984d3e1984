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
    compare_up_to(MOST_BYTES, old, new, columns, cache)
}

fn compare_up_to(
    most_bytes: usize,
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
    let with_values = bytes <= most_bytes;
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

#[cfg(test)]
mod tests {
    use arrow::array::{FixedSizeBinaryArray, RecordBatch, UInt32Array};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::table::Chunk as TableChunk;

    struct Rows {
        cache: Cache,
        _folder: tempfile::TempDir,
    }

    impl Rows {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::open(folder.path()).unwrap();
            Self {
                cache,
                _folder: folder,
            }
        }

        /// A table of chunks of (key, value).
        fn table(&self, chunks: &[&[(u8, u32)]]) -> Table {
            let schema = Arc::new(Schema::new(vec![
                Field::new(KEY, DataType::FixedSizeBinary(16), false),
                Field::new("value", DataType::UInt32, false),
            ]));
            let chunk = |rows: &&[(u8, u32)]| {
                let keys = rows.iter().map(|(key, _)| [*key; 16]);
                let keys = FixedSizeBinaryArray::try_from_iter(keys).unwrap();
                let values = UInt32Array::from_iter_values(rows.iter().map(|(_, v)| *v));
                let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(values)];
                let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
                let piece = self.cache.put(&batch).unwrap().piece;
                TableChunk {
                    rows: rows.len(),
                    columns: self.cache.columns(&piece),
                }
            };
            let chunks: Vec<TableChunk> = chunks.iter().map(chunk).collect();
            Table::new(schema.fields().to_vec(), chunks)
        }

        fn compare(&self, old: &[&[(u8, u32)]], new: &[&[(u8, u32)]], most: usize) -> Difference {
            let old = seen(&self.table(old));
            compare_up_to(most, &old, &self.table(new), &["value"], &self.cache).unwrap()
        }
    }

    fn seen(table: &Table) -> Seen {
        let (objects, key) = objects_of(table, KEY).unwrap();
        let (_, value) = objects_of(table, "value").unwrap();
        let places = [(KEY, key), ("value", value)];
        Seen {
            reference: "rows".into(),
            columns: places.map(|(name, at)| (name.into(), Place(0, at))).into(),
            objects: vec![objects],
        }
    }

    fn difference(added: usize, changed: usize, removed: usize) -> Difference {
        Difference {
            added,
            changed: Some(changed),
            removed,
            reordered: false,
        }
    }

    #[test]
    fn rows_are_told_apart_by_their_keys() {
        let rows = Rows::new();
        let old: &[&[(u8, u32)]] = &[&[(1, 1), (2, 2)], &[(3, 3), (4, 4)], &[(5, 5)]];
        let of = |new: &[&[(u8, u32)]]| rows.compare(old, new, usize::MAX);
        assert_eq!(of(old), difference(0, 0, 0));
        assert_eq!(
            of(&[&[(9, 9), (1, 1)], &[(2, 2), (3, 3)], &[(4, 4), (5, 5)]]),
            difference(1, 0, 0)
        );
        assert_eq!(
            of(&[&[(1, 1), (2, 2)], &[(4, 7), (5, 5)]]),
            difference(0, 1, 1)
        );
        assert_eq!(of(&[]), difference(0, 0, 5));
        let (nothing, all): (&[&[(u8, u32)]], _) = (&[], difference(5, 0, 0));
        assert_eq!(rows.compare(nothing, old, usize::MAX), all);
    }

    #[test]
    fn another_order_is_seen_within_chunks_and_of_chunks() {
        let rows = Rows::new();
        let old: &[&[(u8, u32)]] = &[&[(1, 1), (2, 2)], &[(3, 3), (4, 4)]];
        let new: [&[&[(u8, u32)]]; 2] = [
            &[&[(1, 1), (2, 2)], &[(4, 4), (3, 3)]],
            &[&[(3, 3), (4, 4)], &[(1, 1), (2, 2)]],
        ];
        for new in new {
            let found = rows.compare(old, new, usize::MAX);
            assert!(found.reordered && found.changed == Some(0), "{found:?}");
        }
    }

    #[test]
    fn what_is_too_much_to_read_is_not_counted() {
        let rows = Rows::new();
        let found = rows.compare(&[&[(1, 1), (2, 2)]], &[&[(1, 7), (3, 3)]], 3);
        let unread = Difference {
            changed: None,
            ..difference(1, 0, 1)
        };
        assert_eq!(found, unread);
    }

    #[test]
    fn a_table_that_is_gone_is_not_compared() {
        let rows = Rows::new();
        let old = rows.table(&[&[(1, 1)], &[(2, 2)]]);
        let new = rows.table(&[&[(1, 1)], &[(3, 3)]]);
        let (path, _) = old.chunks()[1].columns[0].place();
        std::fs::remove_file(path).unwrap();
        let found = compare(&seen(&old), &new, &["value"], &rows.cache);
        assert_eq!(found, None);
        // One that is there on both sides is not read at all.
        let path = new.chunks()[0].columns[0].place().0;
        std::fs::remove_file(path).unwrap();
        let same = compare(&seen(&new), &new, &["value"], &rows.cache);
        assert_eq!(same, Some(difference(0, 0, 0)));
    }
}
