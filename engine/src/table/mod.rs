//! What flows between nodes: tables of chunks of Arrow columns, each column with its own digest.
//!
//! Knows nothing of pipelines, nodes or the cache's layout on disk.

mod array_digest;
mod caught;
mod chunk;
mod digest;
mod ipc;
mod mapped;
mod row_digest;
mod stored;
mod types;
mod values;

pub use array_digest::{array_digest, is_supported};
pub use caught::{caught, panics_are_caught};
pub use chunk::{Chunk, Column, Table};
pub use digest::{Digest, Digester};
pub use ipc::{decode_stream, encode_stream, write_batch};
pub use row_digest::{RowDigest, row_digests};
pub use stored::{FileId, Guard, Promise, StoredBatch, batch_digest};
pub use types::ColumnType;
pub use values::{FloatRows, floats, list_of_floats, strings, vectors};

/// Rows of a chunk: the unit of work, of storage and of retrying.
pub const CHUNK_ROWS: usize = 1024;

/// The column that names a record: 16 bytes, hash of the record and its occurrence number.
pub const KEY: &str = "key";

/// The 0-based position of a record in its source, `uint64`.
pub const UNIQUE_IDX: &str = "unique_idx";
