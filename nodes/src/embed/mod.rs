//! Kinds that turn rows into vectors.

use trommel_engine::node::{Entry, Erased};

pub mod clip;

pub const KINDS: &[Entry] = &[Entry {
    kind: &Erased::<clip::Clip>::NEW,
    source: include_str!("clip.rs"),
}];
