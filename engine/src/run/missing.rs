//! What the cache does not hold of a chunk of a row-wise node.

use std::collections::HashMap;

use arrow::array::RecordBatch;

use super::RunError;
use super::chunk_input::ChunkInput;
use crate::cache::{Cache, ChunkEntry, RowIndex};
use crate::table::{Digest, RowDigest};

/// What a look-up of a chunk finds.
pub(super) enum Found {
    Stored(ChunkEntry),
    Missing(Missing),
}

/// A chunk that the cache does not hold.
pub(super) struct Missing {
    input: ChunkInput,
    pub key: Digest,
    pub digests: Vec<RowDigest>,
    /// The rows that were never computed; equal rows stand here once.
    pub fresh: Vec<usize>,
    pub position_of: HashMap<RowDigest, usize>,
}

impl Missing {
    pub(super) fn of(input: ChunkInput, key: Digest, index: &RowIndex) -> Result<Self, RunError> {
        let digests = input.row_digests()?;
        let mut fresh = Vec::new();
        let mut position_of = HashMap::new();
        for (row, digest) in digests.iter().enumerate() {
            if index.find(digest).is_none() && !position_of.contains_key(digest) {
                position_of.insert(*digest, fresh.len());
                fresh.push(row);
            }
        }
        Ok(Self {
            input,
            key,
            digests,
            fresh,
            position_of,
        })
    }

    /// The rows that the node has to compute.
    pub(super) fn batch(&self) -> Result<RecordBatch, RunError> {
        self.input.batch(&self.fresh)
    }

    /// Whether a row that the node has to compute stands in both.
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        self.position_of
            .keys()
            .any(|digest| other.position_of.contains_key(digest))
    }

    /// The rows of a chunk, out of those just computed and those that lie in older objects.
    pub(super) fn assemble(
        &self,
        computed: Option<RecordBatch>,
        index: &RowIndex,
        cache: &Cache,
    ) -> Result<RecordBatch, RunError> {
        if self.fresh.len() == self.digests.len()
            && let Some(batch) = computed
        {
            return Ok(batch);
        }
        let mut sources: Vec<RecordBatch> = computed.into_iter().collect();
        let mut source_of: HashMap<Digest, usize> = HashMap::new();
        let mut places = Vec::with_capacity(self.digests.len());
        for digest in &self.digests {
            if let Some(&position) = self.position_of.get(digest) {
                places.push((0, position));
            } else if let Some(place) = index.find(digest) {
                let source = match source_of.get(&place.object) {
                    Some(&source) => source,
                    None => {
                        sources.push(cache.object(place.object)?);
                        source_of.insert(place.object, sources.len() - 1);
                        sources.len() - 1
                    }
                };
                places.push((source, place.row));
            }
        }
        let sources: Vec<&RecordBatch> = sources.iter().collect();
        Ok(arrow::compute::interleave_record_batch(&sources, &places)?)
    }
}
