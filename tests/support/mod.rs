//! What the tests have in common: projects in temporary folders, and running the program in them.

mod events;
pub(crate) mod golden;
pub(crate) mod hub;
mod llava;
mod npy;
mod project;
mod random;

pub(crate) use events::Log;
pub(crate) use llava::{Record, llava};
pub(crate) use npy::npy;
pub(crate) use project::{Outcome, Project, program, run_in};
pub(crate) use random::{Random, number_from};

use std::path::PathBuf;

/// A path below the root of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
