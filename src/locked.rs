//! Lock files of selections: what they say, and where two say something else.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

/// A lock file of this form.
const FORM: u64 = 2;
/// Differences of settings and digests that are told at most.
const TOLD: usize = 20;

/// What a lock file says.
pub(crate) struct Lock(Json);

impl Lock {
    /// Else what is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|e| e.to_string())?;
        let lock: Json =
            serde_json::from_slice(&text).map_err(|e| format!("it is no JSON: {e}"))?;
        match lock["lock"].as_u64() {
            Some(FORM) => {}
            Some(other) => {
                return Err(format!(
                    "it is a lock file of form {other}, and this version reads {FORM}: run the pipeline again"
                ));
            }
            None => return Err("it is no lock file: it has no number `lock`".into()),
        }
        let whole = lock["picks"].is_array()
            && lock["made_by"]["node"].is_string()
            && lock["pipeline"]["file"].is_string()
            && lock["output"]["file"].is_string();
        if whole {
            Ok(Self(lock))
        } else {
            Err("it lacks `picks`, `made_by`, `pipeline` or `output`".into())
        }
    }

    pub(crate) fn picks(&self) -> &[Json] {
        self.0["picks"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn node(&self) -> &str {
        self.0["made_by"]["node"].as_str().unwrap_or_default()
    }

    /// Of the output.
    pub(crate) fn file_name(&self) -> OsString {
        self.0["output"]["file"].as_str().unwrap_or_default().into()
    }

    /// The digest of the output, in hex.
    pub(crate) fn file_digest(&self) -> &str {
        self.0["output"]["blake3"].as_str().unwrap_or_default()
    }

    /// The pipeline file, seen from where the lock file is.
    pub(crate) fn pipeline_beside(&self, lock: &Path) -> PathBuf {
        let folder = lock.parent().unwrap_or(Path::new(""));
        let way = self.0["pipeline"]["file"].as_str().unwrap_or_default();
        folder.join(way)
    }

    /// The parameters, as `--set` takes them.
    pub(crate) fn settings(&self) -> impl Iterator<Item = String> {
        let params = self.0["pipeline"]["params"].as_object();
        params
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={value}"))
    }
}

/// A line for each thing that is not as `lock` says.
pub(crate) fn differences(lock: &Lock, again: &Lock) -> Vec<String> {
    let mut found = Vec::new();
    let mut made = Vec::new();
    compare("", &lock.0["made_by"], &again.0["made_by"], &mut made);
    let more = made.len().saturating_sub(TOLD);
    found.extend(made.into_iter().take(TOLD));
    if more > 0 {
        found.push(format!("made_by   and {more} more differences"));
    }
    found.extend(of_picks(lock.picks(), again.picks()));
    let programs = [&lock.0["program"], &again.0["program"]];
    if !found.is_empty() && programs[0] != programs[1] {
        found.push(format!(
            "program   locked by {}, this is {}",
            programs[0], programs[1]
        ));
    }
    found
}

/// Walks both accounts side by side.
fn compare(at: &str, locked: &Json, now: &Json, found: &mut Vec<String>) {
    if let (Json::Object(a), Json::Object(b)) = (locked, now) {
        let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for name in names {
            let inner = if at.is_empty() {
                name.clone()
            } else {
                format!("{at}.{name}")
            };
            let value =
                |of: &serde_json::Map<String, Json>| of.get(name).cloned().unwrap_or_default();
            compare(&inner, &value(a), &value(b), found);
        }
    } else if locked != now {
        found.push(format!("made_by   {at}: locked {locked}, now {now}"));
    }
}

fn of_picks(locked: &[Json], now: &[Json]) -> Option<String> {
    if locked == now {
        return None;
    }
    let keys = |picks: &[Json]| -> BTreeSet<String> {
        picks.iter().map(|pick| pick["key"].to_string()).collect()
    };
    let (before, after) = (keys(locked), keys(now));
    let common = before.intersection(&after).count();
    let first = locked
        .iter()
        .zip(now)
        .position(|(a, b)| a != b)
        .unwrap_or(locked.len().min(now.len()));
    let what = |picks: &[Json]| match picks.get(first) {
        None => "there is none".to_owned(),
        Some(pick) => format!("unique_idx {} ({})", pick["unique_idx"], scores(pick)),
    };
    Some(format!(
        "picks     {common} of {} are picked again ({} now); the first difference is pick {first}: locked {}, now {}",
        locked.len(),
        now.len(),
        what(locked),
        what(now)
    ))
}

/// What a pick says of its scores and neighbours.
fn scores(pick: &Json) -> String {
    let mut words: Vec<String> = trommel_nodes::write::LOCKED_NUMBERS
        .into_iter()
        .filter(|name| !pick[*name].is_null())
        .map(|name| format!("{name} {}", pick[name]))
        .collect();
    if let Some(lowered) = pick["lowered"].as_array() {
        words.push(format!("{} neighbours lowered", lowered.len()));
    }
    words.join(", ")
}
