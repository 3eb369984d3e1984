//! Vectors that a program of your own computes, in any language: it speaks docs/worker-protocol.md.
//!
//! As score.command, but what it gives is one column of vectors of f32, all of one width: `vector(48)`, or `vector` where
//! the program decides on the width. Usable as features and to tell which rows are alike.
//!
//! ```yaml
//! colours: { kind: embed.command, input: instructions, command: [python3, colours.py], opens: [image], gives: { colours: vector(48) } }
//! ```

use trommel_engine::node::prelude::*;

use crate::command::{self, Given};

/// Vectors of the user's own.
pub struct Command;

impl Kind for Command {
    const NAME: &'static str = "embed.command";
    const VERSION: u32 = 1;
    type Config = command::Config;

    fn contract(config: &Self::Config, contract: &mut Contract) {
        command::contract(config, contract);
        let mut types = config.gives.values();
        let is_one_vector = matches!(types.next(), None | Some(Given::Vector(_)));
        if !is_one_vector || types.next().is_some() {
            contract.refuse(
                "gives",
                "embed.command gives one column of vectors",
                "write `gives: { NAME: vector(WIDTH) }`; score.command gives columns of all types",
            );
        }
    }

    fn build(config: &Self::Config) -> Result<Work, NodeError> {
        command::build(Self::NAME, config)
    }
}
