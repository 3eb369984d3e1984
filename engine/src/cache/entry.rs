//! What is stored under a key: the pieces of a node's result.

use arrow::datatypes::FieldRef;
use serde::{Deserialize, Serialize};

use super::{Blob, Manifest};
use crate::table::Digest;

/// The result of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableEntry {
    pub manifest: Manifest,
    pub ports: Vec<PortEntry>,
    /// Files whose being there the result depends on are listed beside the entry.
    pub existence: bool,
    /// Rows that failed and were left null. Such a result is there to be looked at; the next run tries them again.
    #[serde(default)]
    pub quarantined: Option<PortEntry>,
    pub seconds: f64,
}

impl TableEntry {
    /// All that it consists of.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let ports = self.ports.iter().chain(&self.quarantined);
        ports.flat_map(|port| &port.pieces)
    }

    /// The files that its ports of files name.
    pub fn blobs(&self) -> impl Iterator<Item = Blob> {
        self.ports
            .iter()
            .flat_map(|port| port.blobs.iter().copied())
    }

    /// The contents of both, as collection counts them.
    pub(super) fn contents(&self) -> impl Iterator<Item = Digest> {
        let objects = self.pieces().map(|piece| piece.object);
        objects.chain(self.blobs().map(|blob| blob.digest))
    }
}

/// The own columns of a port; `key` and `unique_idx` of an input's rows are put to them on loading.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PortEntry {
    pub name: String,
    pub fields: Vec<FieldRef>,
    pub pieces: Vec<Piece>,
    /// Of a port of files: what its rows name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blobs: Vec<Blob>,
}

/// One chunk: an object and the digests of its columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Piece {
    pub rows: usize,
    pub object: Digest,
    pub columns: Vec<Digest>,
}

/// The result of a row-wise node for one chunk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChunkEntry {
    pub fields: Vec<FieldRef>,
    pub piece: Piece,
}
