//! What differs between two runs, or between two selections.

mod runs;
mod selection;
mod sorts;
mod statistics;
mod words;

pub(crate) use runs::{compare_runs, selection_of};
pub(crate) use selection::{Selection, compare};
pub(crate) use words::{of_runs, of_selections};
