//! Why a run failed.

use crate::cache::CacheError;
use crate::node::NodeError;

/// A node's or the engine's failure.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RunError {
    pub message: String,
    pub help: Option<String>,
    pub cancelled: bool,
    pub transient: bool,
}

impl RunError {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            cancelled: false,
            transient: false,
        }
    }
}

impl From<NodeError> for RunError {
    fn from(error: NodeError) -> Self {
        Self {
            message: error.message,
            help: error.help,
            cancelled: error.cancelled,
            transient: error.transient,
        }
    }
}

impl From<CacheError> for RunError {
    fn from(error: CacheError) -> Self {
        Self {
            help: error.help().map(ToOwned::to_owned),
            ..Self::new(error.to_string())
        }
    }
}

impl From<CacheError> for NodeError {
    fn from(error: CacheError) -> Self {
        RunError::from(error).into()
    }
}

impl From<arrow::error::ArrowError> for RunError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<RunError> for NodeError {
    fn from(error: RunError) -> Self {
        Self {
            message: error.message,
            help: error.help,
            cancelled: error.cancelled,
            transient: error.transient,
        }
    }
}
