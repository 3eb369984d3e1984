//! What a collection leaves: what recent runs used, and what they were still making.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use super::records::{Run, last_keys, runs};
use crate::cache::Cache;
use crate::table::Digest;

/// What is to stay.
#[derive(Clone, Debug)]
pub struct Keep {
    /// What the last runs of every pipeline used: so many.
    pub runs: usize,
    /// What these keys of tables name.
    pub keys: HashSet<Digest>,
    /// What was made or used no longer ago than this.
    pub younger_than: Option<Duration>,
    /// Remove only until so many bytes are left, what was not used for longest first.
    pub max_bytes: Option<u64>,
    /// Answers that were paid for. They stay unless somebody says otherwise.
    pub answers: bool,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            runs: 10,
            keys: HashSet::new(),
            younger_than: None,
            max_bytes: None,
            answers: true,
        }
    }
}

/// What that means for a cache.
pub(super) struct Kept {
    pub keys: HashSet<Digest>,
    /// What was written since stays, whatever it is.
    pub since: Option<SystemTime>,
    /// When each table was last used.
    pub used: HashMap<Digest, SystemTime>,
}

impl Kept {
    pub(super) fn of(cache: &Cache, keep: &Keep) -> Self {
        let runs = runs(cache);
        let mut keys = keep.keys.clone();
        let mut used: HashMap<Digest, SystemTime> = HashMap::new();
        let young = keep
            .younger_than
            .and_then(|age| SystemTime::now().checked_sub(age));
        let mut since = young;
        let mut seen: HashMap<&(String, String), (usize, bool)> = HashMap::new();
        for run in &runs {
            let (count, done) = seen.entry(&run.pipeline).or_default();
            *count += 1;
            *done |= run.done;
            // Chunks of a node that never came to its end stand in no table. What the runs since the last one that
            // was done have made is what the next one goes on from.
            if !*done && *count <= keep.runs {
                since = Some(since.map_or(run.started, |s| s.min(run.started)));
            }
            if *count <= keep.runs || young.is_some_and(|young| run.started >= young) {
                keys.extend(run.used.iter().map(|(_, key)| *key));
            }
            note_uses(run, &mut used);
        }
        if runs.is_empty() {
            keys.extend(last_keys(cache));
        }
        Self { keys, since, used }
    }

    pub(super) fn is_recent(&self, time: SystemTime) -> bool {
        self.since.is_some_and(|since| time >= since)
    }
}

fn note_uses(run: &Run, used: &mut HashMap<Digest, SystemTime>) {
    for (_, key) in &run.used {
        let time = used.entry(*key).or_insert(run.started);
        *time = run.started.max(*time);
    }
}
