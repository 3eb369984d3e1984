//! Output formats: how a table becomes a file.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::NodeError;
use crate::table::{ColumnType, Table};

/// A format of `outputs:`.
pub trait Format: Send + Sync {
    /// As written after `format:`.
    fn name(&self) -> &'static str;

    /// The columns that it cannot do without.
    fn needs(&self) -> &'static [(&'static str, ColumnType)];

    /// Writes `table` to `path`, a fresh file that the engine renames into place when all is done.
    fn write(&self, table: &Table, path: &Path) -> Result<(), NodeError>;

    /// Files to stand beside the output, by the ending put to its name (`.lock.json`) and content.
    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<(String, Vec<u8>)>, NodeError>;
}

/// What is known of an output.
pub struct OutputContext<'a> {
    pub path: &'a PathBuf,
    pub table: &'a Table,
    /// The kind of the node that the output comes from.
    pub kind: &'a str,
    /// Digest of the file that was written.
    pub file_digest: crate::table::Digest,
    /// The node and all nodes above it: kinds, versions, configurations, digests of their files.
    pub provenance: &'a Json,
}
