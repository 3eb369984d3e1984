//! What is recorded of a run: the account in `run.json` and the pipeline in `pipeline.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::table::Digest;

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// The name of its folder.
    pub id: String,
    pub state: RunState,
    /// UTC, as RFC 3339 has it.
    pub started: String,
    pub seconds: f64,
    /// The version of the program.
    pub version: String,
    pub system: String,
    pub processors: usize,
    pub process: u32,
    /// Jobs at a time, and where models run.
    pub jobs: usize,
    pub device: String,
    pub pipeline: String,
    /// The pipeline file.
    pub file: String,
    /// With their values; what came from the environment is masked.
    pub params: Json,
    /// The most memory (bytes) that the process ever held at once.
    pub peak_memory: Option<u64>,
    pub workers: Vec<RunWorker>,
    pub nodes: BTreeMap<String, RunNode>,
    pub outputs: Vec<RunOutput>,
    /// Why the engine itself gave up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Running,
    Done,
    Failed,
    Interrupted,
    /// Its process ended without a word.
    Died,
}

/// A node of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunNode {
    /// Its position in the pipeline.
    pub place: usize,
    pub kind: String,
    pub state: NodeState,
    /// Of its table entry; none where it has not come so far.
    pub key: Option<Digest>,
    /// Why it ran.
    pub why: String,
    pub rows: usize,
    pub computed: usize,
    pub quarantined: usize,
    /// From the start of the run to its own.
    pub start: f64,
    pub seconds: f64,
    pub chunks: Chunks,
    /// Of a failure, or what a skipped node waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    Waiting,
    /// Of a run that has ended: it was stopped on the way.
    Started,
    Cached,
    Done,
    Failed,
    Skipped,
}

/// The time from chunk to chunk of a row-wise node.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Chunks {
    pub count: usize,
    pub seconds: f64,
    pub slowest: f64,
    /// One by one, as long as there are few.
    pub each: Vec<f64>,
}

/// A worker process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunWorker {
    pub name: String,
    pub version: String,
    pub device: String,
    pub process: u32,
    /// The most memory (bytes) that it ever held at once, as far as was seen.
    pub peak_memory: Option<u64>,
}

/// An output file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunOutput {
    pub path: String,
    pub rows: usize,
    /// False: it was there as it should be, or could not be written.
    pub written: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl RunRecord {
    pub fn count(&self, state: NodeState) -> usize {
        self.nodes.values().filter(|n| n.state == state).count()
    }

    /// Its nodes in the order of the pipeline.
    pub fn nodes_in_order(&self) -> Vec<(&str, &RunNode)> {
        let mut nodes: Vec<_> = self.nodes.iter().map(|(n, r)| (n.as_str(), r)).collect();
        nodes.sort_by_key(|(_, node)| node.place);
        nodes
    }

    /// The peaks of the process and its workers together (bytes).
    pub fn peak_memory_of_all(&self) -> Option<u64> {
        let workers = self.workers.iter().filter_map(|w| w.peak_memory);
        self.peak_memory.map(|own| own + workers.sum::<u64>())
    }
}

/// A pipeline as it was resolved: parameters put in, defaults filled in, secrets masked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunPipeline {
    pub name: String,
    pub files: Vec<RecordedFile>,
    pub params: Json,
    pub nodes: Vec<RecordedNode>,
    pub outputs: Vec<RecordedOutput>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedFile {
    pub name: String,
    pub text: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedNode {
    pub name: String,
    pub kind: String,
    pub version: u32,
    pub config: Json,
    pub inputs: Vec<RecordedInput>,
}

/// A reference to a table or a column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedInput {
    pub key: String,
    pub from: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordedOutput {
    pub from: String,
    pub path: String,
    pub format: String,
}
