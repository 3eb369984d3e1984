//! What `score.command` and `embed.command` have in common: a program of the user's that speaks docs/worker-protocol.md
//! computes columns. Their configuration, what they read and give, and the check of what the program answers.

mod answer;
mod column_names;
mod config;
mod given;
mod node;

pub use config::{Config, contract};
pub use given::Given;
pub(crate) use node::build;
