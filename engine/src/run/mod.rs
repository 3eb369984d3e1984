//! Phase 4: a plan becomes tables. tokio appears only here.
//!
//! Prints nothing: it emits events, and listeners show them.

mod answers;
mod arrange;
mod changed;
mod chunk_input;
mod compare;
mod error;
mod estimate;
mod event;
mod explain;
mod folder;
mod inspect;
mod job;
mod last;
mod lookup;
mod memory;
mod missing;
mod models;
mod node_run;
mod output_images;
mod outputs;
mod permits;
mod port_files;
mod provenance;
mod reason;
mod record;
mod row_failures;
mod row_parts;
mod rows;
mod scheduler;
mod storing;
mod stream;
mod tables;

pub use error::RunError;
pub use estimate::{estimates, memory};
pub use event::{Event, Listener, Report};
pub use explain::{Explanation, Part, explain};
pub use folder::write_folder;
pub use inspect::{Count, NodeStatus, State, inspect, keys};
pub use outputs::output_digest;
pub use reason::{Change, Reason, in_words};
pub use record::{RECORDS_KEPT, Recorder};
pub use scheduler::{RunOptions, run};

use crate::cache::Blob;
use crate::table::Table;

/// The tables of a node, in the order of its ports.
#[derive(Clone)]
pub struct NodeTables {
    pub ports: Vec<Table>,
    /// The files that they name.
    pub blobs: Vec<Blob>,
    /// All rows were done. A node with quarantined rows is looked at again next time.
    pub complete: bool,
}
