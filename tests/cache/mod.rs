//! What is computed again after which change, told by the events of the run.

mod changes;
mod chunks;
mod damage;
mod explained;
mod files;
mod full;
mod gc;
mod locks;
mod memory;
mod reasons;
mod stops;
mod unchanged;
