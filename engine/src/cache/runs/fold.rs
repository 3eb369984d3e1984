//! The account of a run out of its events: as they happen, or read back from a run that was killed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;

use super::record::{Chunks, NodeState, RunNode, RunOutput, RunRecord, RunState, RunWorker};
use crate::table::Digest;

/// Beyond so many chunks, only their number and sums are kept.
const CHUNKS_KEPT: usize = 256;

/// A line of `events.jsonl`.
#[derive(Deserialize)]
struct Line {
    at: f64,
    #[serde(flatten)]
    what: Happened,
}

/// What of an event counts for the account.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Happened {
    NodeCached {
        node: String,
        rows: usize,
        key: Digest,
    },
    NodeStarted {
        node: String,
        why: String,
    },
    Chunk {
        node: String,
    },
    Node {
        #[serde(flatten)]
        said: Said,
    },
    NodeDone {
        node: String,
        rows: usize,
        computed: usize,
        quarantined: usize,
        seconds: f64,
        key: Digest,
    },
    NodeFailed {
        node: String,
        message: String,
    },
    NodeSkipped {
        node: String,
        because: String,
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
    },
    RunDone {
        failed: usize,
        cancelled: bool,
        seconds: f64,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Said {
    Worker {
        name: String,
        version: String,
        device: String,
        process: u32,
    },
    #[serde(other)]
    Other,
}

/// Adds all events of a file; the last line of a killed run may be cut.
pub(super) fn replay(record: &mut RunRecord, path: &Path) {
    let Ok(file) = File::open(path) else { return };
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        if let Ok(event) = serde_json::from_str::<Json>(&line) {
            record.add(&event);
        }
    }
}

impl RunRecord {
    /// Adds what happened: one line of `events.jsonl`. What is not known is passed over.
    pub fn add(&mut self, event: &Json) {
        let Ok(Line { at, what }) = Line::deserialize(event) else {
            return;
        };
        self.seconds = at;
        match what {
            Happened::NodeCached { node, rows, key } => {
                let node = self.node(&node);
                (node.state, node.key, node.rows) = (NodeState::Cached, Some(key), rows);
            }
            Happened::NodeStarted { node, why } => {
                let node = self.node(&node);
                (node.state, node.start, node.why) = (NodeState::Started, at, why);
                node.chunks = Chunks::default();
            }
            Happened::Chunk { node } => {
                let node = self.node(&node);
                let chunks = &mut node.chunks;
                let seconds = (at - node.start - chunks.seconds).max(0.0);
                chunks.count += 1;
                chunks.seconds += seconds;
                chunks.slowest = chunks.slowest.max(seconds);
                if chunks.count <= CHUNKS_KEPT {
                    chunks.each.push(seconds);
                } else {
                    chunks.each.clear();
                }
            }
            Happened::NodeDone {
                node,
                rows,
                computed,
                quarantined,
                seconds,
                key,
            } => {
                let node = self.node(&node);
                (node.state, node.key, node.seconds) = (NodeState::Done, Some(key), seconds);
                (node.rows, node.computed, node.quarantined) = (rows, computed, quarantined);
            }
            Happened::NodeFailed { node, message } => {
                let node = self.node(&node);
                if node.state == NodeState::Started {
                    node.seconds = at - node.start;
                }
                (node.state, node.message) = (NodeState::Failed, Some(message));
            }
            Happened::NodeSkipped { node, because } => {
                let node = self.node(&node);
                (node.state, node.message) = (NodeState::Skipped, Some(because));
            }
            Happened::Node {
                said:
                    Said::Worker {
                        name,
                        version,
                        device,
                        process,
                    },
            } => {
                if self.workers.iter().all(|w| w.process != process) {
                    self.workers.push(RunWorker {
                        name,
                        version,
                        device,
                        process,
                        peak_memory: None,
                    });
                }
            }
            Happened::OutputWritten { path, rows } => self.output(path, rows, true, None),
            Happened::OutputUnchanged { path, rows } => self.output(path, rows, false, None),
            Happened::OutputFailed { path, message } => self.output(path, 0, false, Some(message)),
            Happened::RunDone {
                failed,
                cancelled,
                seconds,
            } => {
                self.seconds = seconds;
                self.state = match (cancelled, failed) {
                    (true, _) => RunState::Interrupted,
                    (false, 0) => RunState::Done,
                    _ => RunState::Failed,
                };
            }
            Happened::Node { said: Said::Other } | Happened::Other => {}
        }
    }

    fn node(&mut self, name: &str) -> &mut RunNode {
        let place = self.nodes.len();
        self.nodes
            .entry(name.to_owned())
            .or_insert_with(|| RunNode {
                place,
                kind: String::new(),
                state: NodeState::Waiting,
                key: None,
                why: String::new(),
                rows: 0,
                computed: 0,
                quarantined: 0,
                start: 0.0,
                seconds: 0.0,
                chunks: Chunks::default(),
                message: None,
            })
    }

    fn output(&mut self, path: String, rows: usize, written: bool, failure: Option<String>) {
        self.outputs.push(RunOutput {
            path,
            rows,
            written,
            failure,
        });
    }
}
