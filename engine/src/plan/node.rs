//! A node of a plan: a kind with its configuration, and what its inputs come from.

use std::path::{Path, PathBuf};

use petgraph::graph::NodeIndex;
use serde_json::Value as Json;

use crate::diagnostics::{Place, Spanned};
use crate::node::{
    CARD, Contract, DataPath, Entry, ErasedConfig, ImageUse, InputNeed, OutputFormat,
};
use crate::table::ColumnType;

/// Names a node of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) NodeIndex);

impl NodeId {
    /// Its position in the plan's order.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

pub struct PlanNode {
    pub name: String,
    pub place: Place,
    pub kind: &'static Entry,
    pub config: Box<dyn ErasedConfig>,
    pub contract: Contract,
    pub inputs: Vec<PlanInput>,
    pub on_error: OnError,
    /// The configuration as it counts for the node's identity: with defaults filled in, without
    /// inputs, files and settings that only change speed.
    pub identity_config: Json,
    /// The columns of every port, as far as they are known before the run.
    pub ports: Vec<PortColumns>,
}

/// What to do with a row that a row-wise node cannot do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    #[default]
    Fail,
    Quarantine,
}

/// Where an input comes from.
#[derive(Clone, Debug)]
pub struct PlanInput {
    pub need: InputNeed,
    pub from: NodeId,
    pub port: usize,
    pub column: Option<String>,
}

/// The columns of a port after those passed through are put in.
#[derive(Clone, Debug)]
pub struct PortColumns {
    pub name: &'static str,
    pub columns: Vec<(String, ColumnType)>,
    pub open: bool,
    /// The node (by its number in the plan) and port whose rows these are; none where they are no records.
    pub origin: Option<(usize, usize)>,
}

pub struct PlanOutput {
    pub from: NodeId,
    pub port: usize,
    pub reference: Spanned<String>,
    pub path: DataPath,
    pub format: OutputFormat,
    /// The columns to write; all where there is none.
    pub columns: Option<Vec<String>>,
    pub images: ImageUse,
    /// Whether a dataset card is to stand beside it.
    pub card: bool,
}

impl PlanOutput {
    /// The folder of images beside an output at `path`, where there is to be one.
    pub fn image_folder(&self, path: &Path) -> Option<PathBuf> {
        let mut name = path.file_stem()?.to_owned();
        name.push("_images");
        self.images.is_beside().then(|| path.with_file_name(name))
    }

    /// The dataset card of an output at `path`, where there is to be one: in a folder, or beside a file.
    pub fn card_file(&self, path: &Path) -> Option<PathBuf> {
        let inside = matches!(self.format, OutputFormat::File(format) if format.is_folder());
        let card = if inside {
            path.join(CARD)
        } else {
            path.with_file_name(CARD)
        };
        self.card.then_some(card)
    }
}

impl PlanNode {
    pub fn kind_name(&self) -> &'static str {
        self.kind.kind.name()
    }

    pub fn family(&self) -> &'static str {
        self.kind_name().split('.').next().unwrap_or_default()
    }

    pub fn port(&self, name: &str) -> Option<usize> {
        self.ports.iter().position(|p| p.name == name)
    }
}
