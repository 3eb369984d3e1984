//! What the records of runs say of the entries that were used.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::cache::Manifest;
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

#[derive(Deserialize)]
struct Account {
    pipeline: String,
    file: String,
    state: String,
    nodes: BTreeMap<String, Node>,
}

#[derive(Deserialize)]
struct Node {
    key: Option<Digest>,
}

/// All runs that left a record, newest first.
pub(super) fn runs(cache: &Cache) -> Vec<Run> {
    let folders = fs::read_dir(cache.root().join("runs"))
        .into_iter()
        .flatten();
    let mut folders: Vec<_> = folders.flatten().map(|e| e.path()).collect();
    // They are named by their time.
    folders.sort_by(|a, b| b.cmp(a));
    folders.iter().filter_map(|folder| run(folder)).collect()
}

fn run(folder: &Path) -> Option<Run> {
    let account = fs::read(folder.join("run.json")).ok()?;
    let account: Account = serde_json::from_slice(&account).ok()?;
    let mut used: Vec<(String, Digest)> = Vec::new();
    for (name, node) in account.nodes {
        used.extend(node.key.map(|key| (name, key)));
    }
    // The account of a run that was killed is as it was at its start; its events say how far it came.
    let events = fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    for event in events
        .lines()
        .filter_map(|l| serde_json::from_str::<Json>(l).ok())
    {
        if let (Some(node), Some(key)) = (event["node"].as_str(), event["key"].as_str())
            && let Ok(key) = key.parse()
        {
            used.push((node.to_owned(), key));
        }
    }
    used.sort();
    used.dedup();
    // Written once, when the run starts.
    let started = ["pipeline.json", "run.json"].iter();
    let started = started.filter_map(|name| fs::metadata(folder.join(name)).ok()?.modified().ok());
    Some(Run {
        pipeline: (account.pipeline, account.file),
        started: started.min()?,
        done: account.state == "done",
        used,
    })
}

/// Where no run left a record: the keys of all nodes as they last ran.
pub(super) fn last_keys(cache: &Cache) -> Vec<Digest> {
    let notes = super::inventory::files_below(&cache.root().join("last"));
    let manifests = notes
        .iter()
        .filter_map(|note| store::read::<Manifest>(&note.path));
    manifests.map(|manifest| manifest.key()).collect()
}
