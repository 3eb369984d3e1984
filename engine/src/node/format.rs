//! Output formats: how a table becomes a file, or a folder of files.

use std::collections::BTreeMap;
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

    /// What it can do with the images of its rows; the first is what it does unless it is told.
    fn images(&self) -> &'static [ImageUse] {
        &[ImageUse::None, ImageUse::Copy, ImageUse::Link]
    }

    /// Whether it makes a folder, and not a file.
    fn is_folder(&self) -> bool {
        false
    }

    /// What the images of the rows are called in the output. Asked where `images` is not `none`.
    fn image_names(&self, table: &Table) -> Result<ImageNames, NodeError>;

    /// Writes the rows to `path`, a fresh file or an empty folder that the engine renames into place when all is done.
    fn write(&self, content: &Content<'_>, path: &Path) -> Result<(), NodeError>;

    /// Files to stand beside the output.
    fn companions(&self, context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError>;
}

/// What becomes of the images of the rows that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageUse {
    /// They stay where they are.
    None,
    /// They are copied into a folder beside the output.
    Copy,
    /// As copied, but by hard links: no bytes are written.
    Link,
    /// Their bytes stand in the output itself.
    Embed,
}

impl ImageUse {
    pub const ALL: [Self; 4] = [Self::None, Self::Copy, Self::Link, Self::Embed];

    /// As written after `images:`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Copy => "copy",
            Self::Link => "link",
            Self::Embed => "embed",
        }
    }

    /// Whether they stand in a folder beside the output.
    pub fn is_beside(self) -> bool {
        matches!(self, Self::Copy | Self::Link)
    }
}

/// The column of paths of images.
pub const IMAGE: &str = "image";

/// What the images of rows are called.
#[derive(Debug, Default, PartialEq)]
pub struct ImageNames {
    /// Where they are, by their names: relative, without `..`, parted by `/`.
    pub files: BTreeMap<String, PathBuf>,
    /// The name of each row's image; none for a row without one.
    pub of_rows: Vec<Option<String>>,
}

/// What is to be written.
pub struct Content<'a> {
    pub table: &'a Table,
    /// The output as its user will see it; what is written may stand elsewhere until it is whole.
    pub output: &'a Path,
    /// Where `images` is not `none`.
    pub images: Option<&'a ImageNames>,
    /// The folder of images, seen from the output's folder, where they are copied or linked.
    pub image_folder: Option<&'a str>,
}

/// A file beside the output.
pub struct Companion {
    pub place: CompanionPlace,
    pub bytes: Vec<u8>,
}

/// Where a companion stands.
pub enum CompanionPlace {
    /// Named as the output with this put to it (`.lock.json`).
    Named(&'static str),
    /// The dataset card, `README.md`.
    Card,
}

/// The name of the dataset card.
pub const CARD: &str = "README.md";

/// A card with this line was written by a run, and may be written again.
pub const CARD_MARK: &str =
    "<!-- Written by trommel with the data; take this line out to keep what you change. -->";

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
    pub format: &'a str,
    /// The kind of the node that the output comes from.
    pub kind: &'a str,
    /// Digest of the file that was written; of a folder, that of its files' names and digests.
    pub file_digest: crate::table::Digest,
    /// Whether there is to be a dataset card.
    pub card: bool,
    /// The folder of images beside the output, if any.
    pub image_folder: Option<&'a str>,
    /// The other ports of that node that are tables.
    pub ports: &'a [(&'a str, &'a Table)],
    /// The node and all nodes above it: kinds, versions, configurations, digests of their files.
    pub provenance: &'a Json,
    /// Rows that each of them gave.
    pub counts: &'a BTreeMap<String, usize>,
    /// The pipeline file.
    pub pipeline: &'a Path,
    /// The parameters of the pipeline. What comes from the environment is named, not told.
    pub params: &'a Json,
}
