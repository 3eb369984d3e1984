//! Output formats: how a table becomes a file, or a folder of files.

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

/// How an output is written.
#[derive(Clone, Copy)]
pub enum OutputFormat {
    File(&'static dyn Format),
    /// The files that a port of files names ([`super::Port::files`]).
    Folder,
}

impl OutputFormat {
    /// As written after `format:`.
    pub fn name(self) -> &'static str {
        match self {
            Self::File(format) => format.name(),
            Self::Folder => FOLDER,
        }
    }
}

pub(super) const FOLDER: &str = "folder";

/// What is known of an output.
pub struct OutputContext<'a> {
    pub path: &'a PathBuf,
    pub table: &'a Table,
    /// The kind of the node that the output comes from.
    pub kind: &'a str,
    /// Digest of the file that was written.
    pub file_digest: crate::table::Digest,
    /// The other ports of that node that are tables.
    pub ports: &'a [(&'a str, &'a Table)],
    /// The node and all nodes above it: kinds, versions, configurations, digests of their files.
    pub provenance: &'a Json,
    /// The pipeline file.
    pub pipeline: &'a Path,
    /// The parameters of the pipeline. What comes from the environment is named, not told.
    pub params: &'a Json,
}
