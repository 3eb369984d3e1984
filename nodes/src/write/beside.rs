//! What stands beside every output: the lock file of a selection, and the dataset card.

use trommel_engine::node::prelude::*;
use trommel_engine::node::{Companion, CompanionPlace, OutputContext};

use super::{card, lock};

pub(super) fn companions(context: &OutputContext<'_>) -> Result<Vec<Companion>, NodeError> {
    let mut companions: Vec<Companion> = lock::companion(context)?.into_iter().collect();
    if context.card {
        companions.push(Companion {
            place: CompanionPlace::Card,
            bytes: card::card(context)?.into_bytes(),
        });
    }
    Ok(companions)
}
