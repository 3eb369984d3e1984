//! Chunks on their way into the cache. Several are digested, written and flushed at once: a disk takes its time to flush,
//! and the node goes on meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::cache::{Cache, CacheError, Piece};

/// Chunks that are stored at once.
const AT_ONCE: usize = 4;
/// Bytes of these chunks together, unless a single one has more.
const MOST_BYTES: usize = 256 << 20;

/// Is told of each chunk once it and all before it are stored.
pub(super) type Give<'env> = Box<dyn Fn(&SchemaRef, &Piece) + Send + Sync + 'env>;

pub(super) struct Storing<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    cache: &'env Cache,
    stored: Arc<Stored<'env>>,
    under_way: VecDeque<UnderWay<'scope>>,
    begun: usize,
}

struct UnderWay<'scope> {
    bytes: usize,
    thread: ScopedJoinHandle<'scope, Result<(), CacheError>>,
}

struct Stored<'env> {
    give: Give<'env>,
    pieces: Mutex<Pieces>,
}

#[derive(Default)]
struct Pieces {
    in_order: Vec<Piece>,
    /// Those that wait for one before them, by their number.
    early: BTreeMap<usize, (SchemaRef, Piece)>,
}

impl<'scope, 'env> Storing<'scope, 'env> {
    pub(super) fn new(
        scope: &'scope Scope<'scope, 'env>,
        cache: &'env Cache,
        give: Give<'env>,
    ) -> Self {
        let pieces = Mutex::default();
        Self {
            scope,
            cache,
            stored: Arc::new(Stored { give, pieces }),
            under_way: VecDeque::new(),
            begun: 0,
        }
    }

    /// Begins to store a chunk, as soon as there is room for one more.
    pub(super) fn begin(&mut self, chunk: RecordBatch) -> Result<(), CacheError> {
        let bytes = chunk.get_array_memory_size();
        while self.is_full(bytes) {
            self.join_oldest()?;
        }
        let (cache, stored, number) = (self.cache, self.stored.clone(), self.begun);
        self.begun += 1;
        let thread = self.scope.spawn(move || {
            let piece = cache.put(&chunk)?.piece;
            stored.add(number, chunk.schema(), piece);
            Ok(())
        });
        self.under_way.push_back(UnderWay { bytes, thread });
        Ok(())
    }

    fn is_full(&self, bytes: usize) -> bool {
        let there: usize = self.under_way.iter().map(|chunk| chunk.bytes).sum();
        let count = self.under_way.len();
        count > 0 && (count >= AT_ONCE || there + bytes > MOST_BYTES)
    }

    fn join_oldest(&mut self) -> Result<(), CacheError> {
        let Some(oldest) = self.under_way.pop_front() else {
            return Ok(());
        };
        match oldest.thread.join() {
            Ok(stored) => stored,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// All chunks, once they are stored.
    pub(super) fn finish(mut self) -> Result<Vec<Piece>, CacheError> {
        while !self.under_way.is_empty() {
            self.join_oldest()?;
        }
        let pieces = self.stored.pieces.lock();
        let mut pieces = pieces.unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut pieces.in_order))
    }
}

impl Stored<'_> {
    fn add(&self, number: usize, schema: SchemaRef, piece: Piece) {
        let pieces = self.pieces.lock();
        let mut pieces = pieces.unwrap_or_else(PoisonError::into_inner);
        pieces.early.insert(number, (schema, piece));
        let mut next = pieces.in_order.len();
        while let Some((schema, piece)) = pieces.early.remove(&next) {
            (self.give)(&schema, &piece);
            pieces.in_order.push(piece);
            next += 1;
        }
    }
}
