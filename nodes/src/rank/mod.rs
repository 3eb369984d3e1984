//! Kinds that put rows in order.

use trommel_engine::node::{Entry, Erased};

pub mod difficulty;
pub mod fusion;
pub mod percentile;
mod scores;
pub mod weighted;
pub mod zscore;

pub const KINDS: &[Entry] = &[
    Entry {
        kind: &Erased::<difficulty::Difficulty>::NEW,
        source: include_str!("difficulty.rs"),
    },
    Entry {
        kind: &Erased::<fusion::Fusion>::NEW,
        source: include_str!("fusion.rs"),
    },
    Entry {
        kind: &Erased::<percentile::Percentile>::NEW,
        source: include_str!("percentile.rs"),
    },
    Entry {
        kind: &Erased::<weighted::Weighted>::NEW,
        source: include_str!("weighted.rs"),
    },
    Entry {
        kind: &Erased::<zscore::Zscore>::NEW,
        source: include_str!("zscore.rs"),
    },
];
