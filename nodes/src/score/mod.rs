//! Kinds that give each row a number.

use trommel_engine::node::{Entry, Erased};

pub mod clip;
pub mod command;
pub mod expr;
pub mod image;
pub mod image_reward;
pub mod judge;
mod measures;
pub mod model;
#[cfg(test)]
mod testing;
pub mod text;

pub const KINDS: &[Entry] = &[
    Entry {
        kind: &Erased::<clip::Clip>::NEW,
        source: include_str!("clip.rs"),
    },
    Entry {
        kind: &Erased::<command::Command>::NEW,
        source: include_str!("command.rs"),
    },
    Entry {
        kind: &Erased::<expr::Expr>::NEW,
        source: include_str!("expr.rs"),
    },
    Entry {
        kind: &Erased::<image::Image>::NEW,
        source: include_str!("image.rs"),
    },
    Entry {
        kind: &Erased::<image_reward::ImageReward>::NEW,
        source: include_str!("image_reward.rs"),
    },
    Entry {
        kind: &Erased::<judge::Judge>::NEW,
        source: include_str!("judge.rs"),
    },
    Entry {
        kind: &Erased::<text::Text>::NEW,
        source: include_str!("text.rs"),
    },
];
