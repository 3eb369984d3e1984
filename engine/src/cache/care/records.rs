//! What the records of runs say of the entries that were used.

use std::fs;
use std::time::SystemTime;

use crate::cache::manifest::Manifest;
use crate::cache::runs::RunState;
use crate::cache::{Cache, store};
use crate::table::Digest;

/// A run, as far as it says what is in use.
pub(super) struct Run {
    /// The name and the file of the pipeline.
    pub pipeline: (String, String),
    pub started: SystemTime,
    pub done: bool,
    /// Nodes and the keys of their tables.
    pub used: Vec<(String, Digest)>,
}

/// All runs that left a record, newest first.
pub(super) fn runs(cache: &Cache) -> Vec<Run> {
    let mut runs = Vec::new();
    for record in cache.runs() {
        // Written once, when the run starts. By the same clock as the files that are compared with it.
        let folder = cache.root().join("runs").join(&record.id);
        let files = ["pipeline.json", "run.json"].iter();
        let times = files.filter_map(|name| fs::metadata(folder.join(name)).ok()?.modified().ok());
        let Some(started) = times.min() else {
            continue;
        };
        let keys = record.nodes.into_iter();
        runs.push(Run {
            pipeline: (record.pipeline, record.file),
            started,
            done: record.state == RunState::Done,
            used: keys
                .filter_map(|(name, node)| Some((name, node.key?)))
                .collect(),
        });
    }
    runs
}

/// Where no run left a record: the keys of all nodes as they last ran.
pub(super) fn last_keys(cache: &Cache) -> Vec<Digest> {
    let notes = super::inventory::files_below(&cache.root().join("last"));
    let manifests = notes
        .iter()
        .filter_map(|note| store::read::<Manifest>(&note.path));
    manifests.map(|manifest| manifest.key()).collect()
}
