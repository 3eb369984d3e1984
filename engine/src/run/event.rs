//! What happens in a run, as it happens.

use serde::Serialize;

use super::Reason;
use crate::node::NodeEvent;
use crate::table::Digest;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    RunStarted {
        pipeline: String,
        nodes: usize,
    },
    /// Nothing had to be done.
    NodeCached {
        node: String,
        kind: String,
        rows: usize,
        /// Of the node's table entry.
        key: Digest,
    },
    /// Another process has the node's lock.
    NodeWaiting {
        node: String,
        because: String,
    },
    /// A call failed for a passing reason and is made again.
    NodeRetried {
        node: String,
        attempt: u32,
        message: String,
    },
    NodeStarted {
        node: String,
        kind: String,
        /// The reasons in words.
        why: String,
        reasons: Vec<Reason>,
    },
    /// One chunk of a row-wise node.
    Chunk {
        node: String,
        chunk: usize,
        chunks: usize,
        rows: usize,
        computed: usize,
    },
    Node {
        node: String,
        #[serde(flatten)]
        said: NodeEvent,
    },
    NodeDone {
        node: String,
        kind: String,
        rows: usize,
        computed: usize,
        quarantined: usize,
        seconds: f64,
        key: Digest,
    },
    NodeFailed {
        node: String,
        kind: String,
        message: String,
        help: Option<String>,
    },
    NodeSkipped {
        node: String,
        because: String,
    },
    /// A stored object was not what it should be; it is set aside, and what gave it runs again.
    Corrupt {
        object: Digest,
        reason: String,
    },
    OutputWritten {
        path: String,
        rows: usize,
    },
    OutputUnchanged {
        path: String,
        rows: usize,
    },
    OutputFailed {
        path: String,
        message: String,
        help: Option<String>,
    },
    RunDone(Report),
}

/// How a run ended.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub ran: usize,
    pub cached: usize,
    pub failed: usize,
    pub skipped: usize,
    pub cancelled: bool,
    pub seconds: f64,
}

/// Who is told. Called from several threads.
pub trait Listener: Send + Sync {
    fn event(&self, event: &Event);
}
