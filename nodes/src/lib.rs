//! The node kinds of Trommel, one file each, in the folders of their families.
//!
//! Knows what each kind promises (configuration, columns, version). Models are computed by the
//! worker program: nothing here links libtorch.

pub mod bridge;
pub mod command;
pub mod embed;
pub mod load;
pub mod rank;
pub mod score;
pub mod select;
mod sql;
pub mod train;
pub mod write;

use trommel_engine::node::Registry;

/// All kinds and formats.
pub const fn registry() -> Registry {
    Registry {
        kinds: &[
            load::KINDS,
            score::KINDS,
            embed::KINDS,
            train::KINDS,
            rank::KINDS,
            select::KINDS,
        ],
        formats: write::FORMATS,
    }
}
