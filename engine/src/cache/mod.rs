//! The content-addressed cache: keys with their manifests, objects and files, what identities computed,
//! answers that were paid for.
//!
//! Knows tables and files. Knows nothing of nodes, plans or scheduling.

mod answers;
mod blobs;
mod care;
mod entry;
mod error;
mod existence;
mod files;
mod guard;
mod lock;
mod manifest;
mod objects;
mod publish;
mod rows;
mod runs;
mod seal;
mod store;
mod sweep;
mod unfinished;

pub use answers::AnswerStore;
pub use blobs::Blob;
pub use care::{Alone, Fault, Garbage, Keep, Listed, Share, Usage, Verified};
pub use entry::{ChunkEntry, Piece, PortEntry, TableEntry};
pub use error::CacheError;
pub use existence::Existence;
pub use files::FileDigests;
pub use guard::{Corrupt, Verify};
pub use lock::{InUse, KeyLock, in_words};
pub use manifest::Manifest;
pub use objects::Stored;
pub use publish::publish;
pub use rows::{RowIndex, RowPlace};
pub use runs::{
    Chunks, NodeState, RecordedFile, RecordedInput, RecordedNode, RecordedOutput, RunFolder,
    RunNode, RunOutput, RunPipeline, RunRecord, RunState, RunWorker, utc,
};
pub use store::Cache;
