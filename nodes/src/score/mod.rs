//! Kinds that give each row a number.

use trommel_engine::node::{Entry, Erased};

pub mod clip;
pub mod image_reward;
pub mod model;

pub const KINDS: &[Entry] = &[
    Entry {
        kind: &Erased::<clip::Clip>::NEW,
        source: include_str!("clip.rs"),
    },
    Entry {
        kind: &Erased::<image_reward::ImageReward>::NEW,
        source: include_str!("image_reward.rs"),
    },
];
