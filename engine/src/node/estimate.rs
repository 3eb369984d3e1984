//! What a node's work will ask of a service that takes money, told before it is done.

use arrow::array::RecordBatch;
use serde::Serialize;

use super::{Answers, NodeError};

/// Requests and what they come to, roughly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Requests to send if none fails.
    pub requests: u64,
    /// Rows whose answers are known already.
    pub answered: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// In the currency of the configuration's prices.
    pub cost: Option<f64>,
    /// Which answers are known was not looked up, so there may be fewer requests.
    pub at_most: bool,
}

/// Given to a contract by kinds whose work costs money ([`super::Contract::estimated`]).
pub trait Estimator: Send + Sync {
    /// `rows` are those that have no result yet, with the columns that the contract reads.
    fn estimate(&self, rows: &[RecordBatch], answers: &dyn Answers) -> Result<Estimate, NodeError>;
}
