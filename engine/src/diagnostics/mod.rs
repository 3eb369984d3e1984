//! How Trommel speaks of faults: source text, places in it, and problems that point at them.
//!
//! Knows nothing of what a pipeline is.

mod problem;
mod source;
mod suggest;

pub use problem::{Problem, Problems, Severity};
pub use source::{Place, Source, Spanned};
pub use suggest::{listed, nearest, suggest};
