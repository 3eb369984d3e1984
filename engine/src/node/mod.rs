//! What a node is: the traits that kinds implement and what they say of themselves.
//!
//! Knows no particular kind, no plan, no cache, no scheduler.

mod answers;
mod context;
mod contract;
mod error;
mod estimate;
mod format;
mod glob;
mod hub;
mod inputs;
mod kind;
pub mod model_files;
mod model_ref;
mod model_source;
mod name;
mod port;
mod program;
mod record_key;
mod reference;
mod registry;
mod remote;

pub mod prelude;

pub use answers::{Answers, Claim, NoAnswers};
pub use context::{Context, Device, Monitor, NodeEvent};
pub use contract::{Contract, FileNeed, FileUse, InputNeed, Permit, Read};
pub use error::NodeError;
pub use estimate::{Estimate, Estimator};
pub use format::{
    CARD, CARD_MARK, Companion, CompanionPlace, Content, Format, IMAGE, ImageNames, ImageUse,
    OutputContext, OutputFormat,
};
pub use hub::{HubId, hub_cache, hub_home, hub_is_offline};
pub use inputs::{ColumnView, Inputs};
pub use kind::{Kind, Outputs, RowFailure, RowNode, RowOutput, TableNode, Work};
pub use model_ref::{ModelPlace, ModelRef};
pub use model_source::{HubModel, ModelSource, NoSource};
pub use name::{first_part, reference_parts, split_variant};
pub use port::{Port, RowsOf};
pub use program::{CommandLine, ProgramFiles};
pub use record_key::{RecordKeys, key_column};
pub use reference::{ColumnRef, DataPath, Secret, TableRef};
pub use registry::{Entry, Erased, ErasedConfig, ErasedKind, Registry};
pub use remote::Remote;

pub use crate::spec::same_label;
