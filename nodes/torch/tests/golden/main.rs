//! Checks against recorded numbers: those of the repository's tests/golden, and those of another folder of the same layout where
//! `TROMMEL_ORACLE` names one.

#![expect(
    clippy::print_stderr,
    reason = "the deviations seen are worth a look with --nocapture"
)]

mod behaviour;
mod clip;
mod data;
mod decoders;
mod image_reward;
mod stage1;
mod step0;
mod weighted_loss;
