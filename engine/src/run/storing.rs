//! Chunks on their way into the cache. Several are digested, written and flushed at once: a disk takes its time to flush,
//! and the node goes on meanwhile.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::thread::{Scope, ScopedJoinHandle};

use arrow::array::RecordBatch;

use crate::cache::{Cache, CacheError, Piece};

/// Chunks that are stored at once.
const AT_ONCE: usize = 4;
/// Bytes of these chunks together, unless a single one has more.
const MOST_BYTES: usize = 256 << 20;

pub(super) struct Storing<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    cache: &'env Cache,
    under_way: VecDeque<UnderWay<'scope>>,
}

struct UnderWay<'scope> {
    bytes: usize,
    stored: ScopedJoinHandle<'scope, Result<Piece, CacheError>>,
}

impl<'scope, 'env> Storing<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>, cache: &'env Cache) -> Self {
        Self {
            scope,
            cache,
            under_way: VecDeque::new(),
        }
    }

    /// Begins to store a chunk; what [`Storing::next`] gives until then belongs to those before it.
    pub(super) fn begin(&mut self, chunk: RecordBatch) {
        let cache = self.cache;
        self.under_way.push_back(UnderWay {
            bytes: chunk.get_array_memory_size(),
            stored: self.scope.spawn(move || Ok(cache.put(&chunk)?.piece)),
        });
    }

    /// Whether a further chunk of so many bytes has to wait for the oldest one.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        let there: usize = self.under_way.iter().map(|chunk| chunk.bytes).sum();
        let count = self.under_way.len();
        count > 0 && (count >= AT_ONCE || there + bytes > MOST_BYTES)
    }

    /// Whether the oldest chunk is stored.
    pub(super) fn is_ready(&self) -> bool {
        let oldest = self.under_way.front();
        oldest.is_some_and(|chunk| chunk.stored.is_finished())
    }

    /// The oldest chunk, once it is stored; none where there is none.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, CacheError> {
        let Some(oldest) = self.under_way.pop_front() else {
            return Ok(None);
        };
        match oldest.stored.join() {
            Ok(stored) => stored.map(Some),
            Err(panic) => resume_unwind(panic),
        }
    }
}
