//! Why a node failed.

use std::fmt;

use arrow::error::ArrowError;

/// A node's failure in words for its user: what happened, on which file or rows, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeError {
    pub message: String,
    pub help: Option<String>,
    /// The run was interrupted; this is not a fault.
    pub cancelled: bool,
    /// The same call may succeed a little later (a busy server): kinds that say so are called again.
    pub transient: bool,
}

impl NodeError {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            cancelled: false,
            transient: false,
        }
    }

    #[must_use]
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn cancelled() -> Self {
        Self {
            cancelled: true,
            ..Self::new("interrupted")
        }
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NodeError {}

impl From<ArrowError> for NodeError {
    fn from(error: ArrowError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<std::io::Error> for NodeError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}
