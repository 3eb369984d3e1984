//! Worker processes: programs that compute for a node, spoken to over stdin and stdout.
//!
//! The protocol is described in docs/worker-protocol.md. Knows nothing of node kinds or plans.

mod pool;
mod process;
pub mod protocol;

pub use pool::Workers;
pub use process::{Worker, WorkerError};
