//! Taking care of a cache: what is in it, what it costs, what is not needed any more, what is damaged.

mod garbage;
mod inventory;
mod keep;
mod records;
#[cfg(test)]
mod tests;
mod usage;
mod verify;

pub use garbage::{Alone, Garbage};
pub use keep::Keep;
pub use usage::{Listed, Share, Usage};
pub use verify::{Fault, Verified};
