//! Kinds that give each row a number.

use trommel_engine::node::{Entry, Erased};

pub mod clip;
pub mod judge;
pub mod model;

pub const KINDS: &[Entry] = &[
    Entry {
        kind: &Erased::<clip::Clip>::NEW,
        source: include_str!("clip.rs"),
    },
    Entry {
        kind: &Erased::<judge::Judge>::NEW,
        source: include_str!("judge.rs"),
    },
];
