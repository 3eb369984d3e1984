//! The content-addressed cache: keys with their manifests, objects, what identities computed.
//!
//! Knows tables and files. Knows nothing of nodes, plans or scheduling.

mod entry;
mod error;
mod files;
mod manifest;
mod publish;
mod rows;
mod store;

pub use entry::{ChunkEntry, Existence, Piece, PortEntry, TableEntry};
pub use error::CacheError;
pub use files::FileDigests;
pub use manifest::Manifest;
pub use publish::publish;
pub use rows::{RowIndex, RowPlace};
pub use store::{Cache, Stored};
