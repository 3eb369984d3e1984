//! What is in a cache and what it costs.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use serde::Serialize;

use super::inventory::{Inventory, files_below};
use super::records::runs;
use crate::cache::Cache;
use crate::table::Digest;

/// A node's result.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub key: Digest,
    pub kind: String,
    /// `PIPELINE/NODE` of the runs that used it, newest first.
    pub nodes: Vec<String>,
    /// Of its first port.
    pub rows: usize,
    /// Of its objects, which others may share.
    pub bytes: u64,
    /// Objects that are not there: it will be computed again.
    pub missing: usize,
    /// What it took to make, in seconds.
    pub seconds: f64,
    /// Seconds since 1970.
    pub used: u64,
}

/// What a part of the cache takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Files, or tables of a kind.
    pub count: usize,
    pub bytes: u64,
}

/// What a cache takes.
#[derive(Clone, Debug, Serialize)]
pub struct Usage {
    /// By folder.
    pub groups: BTreeMap<String, Share>,
    /// Objects by the kind of node that gave them. What several tables share counts once.
    pub kinds: BTreeMap<String, Share>,
    pub bytes: u64,
}

/// Objects that stand in no table: of nodes that did not come to their end, or of nobody.
const NO_TABLE: &str = "(no table)";

impl Cache {
    /// All results of nodes, the last used one first.
    pub fn list(&self) -> Vec<Listed> {
        let (mut nodes, mut used) = (HashMap::<Digest, Vec<String>>::new(), HashMap::new());
        for run in runs(self) {
            for (node, key) in run.used {
                let name = format!("{}/{node}", run.pipeline.0);
                let names = nodes.entry(key).or_default();
                if !names.contains(&name) {
                    names.push(name);
                }
                used.entry(key).or_insert(run.started);
            }
        }
        let all = Inventory::of(self);
        let mut listed: Vec<Listed> = Vec::with_capacity(all.tables.len());
        for (&key, item) in &all.tables {
            let written = item.places[0].modified;
            let last = used.get(&key).map_or(written, |used| written.max(*used));
            let objects: HashSet<Digest> = item.entry.contents().collect();
            let missing = objects
                .iter()
                .filter(|object| !all.objects.contains_key(object));
            let rows = item
                .entry
                .ports
                .first()
                .map(|p| p.pieces.iter().map(|p| p.rows).sum());
            listed.push(Listed {
                key,
                kind: item.entry.manifest.kind.clone(),
                nodes: nodes.remove(&key).unwrap_or_default(),
                rows: rows.unwrap_or(0),
                bytes: all.bytes_of(&item.entry),
                missing: missing.count(),
                seconds: item.entry.seconds,
                used: last
                    .duration_since(SystemTime::UNIX_EPOCH)
                    .map_or(0, |t| t.as_secs()),
            });
        }
        listed.sort_by_key(|item| (std::cmp::Reverse(item.used), item.key));
        listed
    }

    /// What everything takes.
    pub fn usage(&self) -> Usage {
        let mut groups: BTreeMap<String, Share> = BTreeMap::new();
        let mut total = 0;
        for place in files_below(self.root()) {
            let inner = place.path.strip_prefix(self.root()).unwrap_or(&place.path);
            let group = inner
                .components()
                .next()
                .map(|c| c.as_os_str().to_string_lossy());
            let share = groups
                .entry(group.unwrap_or_default().into_owned())
                .or_default();
            share.count += 1;
            share.bytes += place.bytes;
            total += place.bytes;
        }
        let all = Inventory::of(self);
        let mut kinds: BTreeMap<String, Share> = BTreeMap::new();
        let mut counted: HashSet<Digest> = HashSet::new();
        for item in all.tables.values() {
            let share = kinds.entry(item.entry.manifest.kind.clone()).or_default();
            share.count += 1;
            for object in item.entry.contents() {
                if counted.insert(object) {
                    share.bytes += all.objects.get(&object).map_or(0, |place| place.bytes);
                }
            }
        }
        let others = all
            .objects
            .iter()
            .filter(|(object, _)| !counted.contains(object));
        let bytes: u64 = others.map(|(_, place)| place.bytes).sum();
        if bytes > 0 {
            kinds.insert(NO_TABLE.to_owned(), Share { count: 0, bytes });
        }
        Usage {
            groups,
            kinds,
            bytes: total,
        }
    }
}
