//! Worker processes: programs that compute for a node, spoken to over stdin and stdout.
//!
//! The protocol is described in docs/worker-protocol.md. Knows nothing of node kinds or plans.

mod error;
mod pipes;
mod pool;
mod process;
mod program;
pub mod protocol;

pub use error::WorkerError;
pub use pool::Workers;
pub use process::{ENVIRONMENT, Patience, Worker};
pub use program::Program;
