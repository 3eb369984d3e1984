//! Kinds that turn rows into vectors.

use trommel_engine::node::{Entry, Erased};

pub mod clip;
pub mod command;

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
