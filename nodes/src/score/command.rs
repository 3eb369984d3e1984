//! Columns that a program of your own computes, in any language: it speaks docs/worker-protocol.md.
//!
//! In Python a function over a batch of rows is enough (`examples/python_extractor`, docs/your-own-extractor.md). The
//! program's results are kept row by row: what it gives for a row must depend on that row only. They are computed again
//! where its command, its files, its `config` or its `version` change. A row that it reports as failed is null, and
//! `on_error` decides what becomes of it.
//!
//! ```yaml
//! readability: { kind: score.command, input: instructions, command: [python3, readability.py], reads: [text], gives: { reading_ease: f32 } }
//! ```

use trommel_engine::node::prelude::*;

use crate::command;

/// Columns of the user's own.
pub struct Command;

impl Kind for Command {
    const NAME: &'static str = "score.command";
    const VERSION: u32 = 1;
    type Config = command::Config;

    fn contract(config: &Self::Config, contract: &mut Contract) {
        command::contract(config, contract);
    }

    fn build(config: &Self::Config) -> Result<Work, NodeError> {
        command::build(Self::NAME, config)
    }
}
