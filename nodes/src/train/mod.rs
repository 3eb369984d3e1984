//! Kinds that train a model.

use trommel_engine::node::{Entry, Erased};

pub mod self_filter;

pub const KINDS: &[Entry] = &[Entry {
    kind: &Erased::<self_filter::SelfFilter>::NEW,
    source: include_str!("self_filter.rs"),
}];
