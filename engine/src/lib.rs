//! The dataflow engine of Trommel: pipeline files become plans, plans become tables.
//!
//! Knows YAML, graphs, Arrow and files. Knows no node kind, no model, no tensor library, no
//! dataframe library and no command line.

pub mod cache;
pub mod compile;
pub mod diagnostics;
mod fast_map;
pub mod node;
pub mod plan;
pub mod run;
pub mod spec;
pub mod table;
pub mod worker;
