//! Kinds that choose rows.

use trommel_engine::node::{Entry, Erased};

mod allot;
mod apart;
mod bound;
pub mod cluster;
pub mod dedup;
pub mod deita;
pub mod diverse;
pub mod facility;
pub mod kcenter;
pub mod mix;
mod nearest;
mod order;
mod picks;
pub mod quota;
pub mod random;
pub mod threshold;
pub mod top;
mod vectors;
pub mod r#where;

pub const KINDS: &[Entry] = &[
    Entry {
        kind: &Erased::<cluster::Cluster>::NEW,
        source: include_str!("cluster.rs"),
    },
    Entry {
        kind: &Erased::<dedup::Dedup>::NEW,
        source: include_str!("dedup.rs"),
    },
    Entry {
        kind: &Erased::<deita::Deita>::NEW,
        source: include_str!("deita.rs"),
    },
    Entry {
        kind: &Erased::<diverse::Diverse>::NEW,
        source: include_str!("diverse.rs"),
    },
    Entry {
        kind: &Erased::<facility::Facility>::NEW,
        source: include_str!("facility.rs"),
    },
    Entry {
        kind: &Erased::<kcenter::Kcenter>::NEW,
        source: include_str!("kcenter.rs"),
    },
    Entry {
        kind: &Erased::<mix::Mix>::NEW,
        source: include_str!("mix.rs"),
    },
    Entry {
        kind: &Erased::<quota::Quota>::NEW,
        source: include_str!("quota.rs"),
    },
    Entry {
        kind: &Erased::<random::Random>::NEW,
        source: include_str!("random.rs"),
    },
    Entry {
        kind: &Erased::<threshold::Threshold>::NEW,
        source: include_str!("threshold.rs"),
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
