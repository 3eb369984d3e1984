//! Kinds that put rows in order.

use trommel_engine::node::{Entry, Erased};

pub mod difficulty;

pub const KINDS: &[Entry] = &[Entry {
    kind: &Erased::<difficulty::Difficulty>::NEW,
    source: include_str!("difficulty.rs"),
}];
