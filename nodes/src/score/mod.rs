//! Kinds that give each row a number, or what else says how good it is.

use trommel_engine::node::{Entry, Erased};

pub mod clip;
pub mod command;
pub mod model;

pub const KINDS: &[Entry] = &[
    Entry {
        kind: &Erased::<clip::Clip>::NEW,
        source: include_str!("clip.rs"),
    },
    Entry {
        kind: &Erased::<command::Command>::NEW,
        source: include_str!("command.rs"),
    },
];
