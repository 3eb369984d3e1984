//! Kinds that choose rows.

use trommel_engine::node::{Entry, Erased};

pub mod diverse;
mod picks;
pub mod random;
pub mod top;
pub mod r#where;

pub const KINDS: &[Entry] = &[
    Entry {
        kind: &Erased::<diverse::Diverse>::NEW,
        source: include_str!("diverse.rs"),
    },
    Entry {
        kind: &Erased::<random::Random>::NEW,
        source: include_str!("random.rs"),
    },
    Entry {
        kind: &Erased::<top::Top>::NEW,
        source: include_str!("top.rs"),
    },
    Entry {
        kind: &Erased::<r#where::Where>::NEW,
        source: include_str!("where.rs"),
    },
];
