//! Records of runs, one folder each.
//!
//! ```text
//! runs/ID/events.jsonl    every event with its time; locked by the run that writes it
//! runs/ID/pipeline.json   the pipeline as it was resolved
//! runs/ID/run.json        the account of the run: a first one at its start, the last one at its end
//! ```
//!
//! Nothing here is flushed to the disk's platters: a record that a power cut takes is a record less.

mod fold;
mod record;

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use record::{
    Chunks, NodeState, RecordedFile, RecordedInput, RecordedNode, RecordedOutput, RunNode,
    RunOutput, RunPipeline, RunRecord, RunState, RunWorker,
};

use super::{Cache, CacheError};
use crate::table::Digest;

const EVENTS: &str = "events.jsonl";
const ACCOUNT: &str = "run.json";
const PIPELINE: &str = "pipeline.json";

/// The folder of a run that is going on.
pub struct RunFolder {
    pub id: String,
    path: PathBuf,
    /// Held locked, so that others can tell a run that goes on from one that was killed.
    events: File,
}

impl Cache {
    /// Makes the folder of a new run; of the older records, the newest `keep - 1` stay.
    pub fn start_run(&self, keep: usize) -> Result<RunFolder, CacheError> {
        for id in self.run_ids().iter().skip(keep.saturating_sub(1)) {
            let folder = self.run_folder(id);
            if !goes_on(&folder, None) {
                // Another run may be removing it too.
                let _ = fs::remove_dir_all(folder);
            }
        }
        let all = self.runs_folder();
        fs::create_dir_all(&all).map_err(CacheError::io("create", &all))?;
        let (id, path) = loop {
            let id = new_id();
            let path = all.join(&id);
            match fs::create_dir(&path) {
                Ok(()) => break (id, path),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(CacheError::io("create", &path)(e)),
            }
        };
        let place = path.join(EVENTS);
        let events = File::create_new(&place).map_err(CacheError::io("create", &place))?;
        // Where a file system has no locks, the number of the process tells.
        let _ = events.lock();
        Ok(RunFolder { id, path, events })
    }

    /// The records of all runs, newest first. What cannot be read is passed over.
    pub fn runs(&self) -> Vec<RunRecord> {
        self.run_ids()
            .iter()
            .filter_map(|id| self.run(id))
            .collect()
    }

    /// The names of all records, newest first, readable or not.
    pub fn run_ids(&self) -> Vec<String> {
        let entries = fs::read_dir(self.runs_folder()).into_iter().flatten();
        let mut ids: Vec<String> = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
            .filter_map(|e| e.file_name().into_string().ok())
            .collect();
        ids.sort_by(|a, b| b.cmp(a));
        ids
    }

    /// The record of one run. That of a killed run is made up from its events.
    pub fn run(&self, id: &str) -> Option<RunRecord> {
        let folder = self.run_folder(id);
        let mut record: RunRecord = read_json(&folder.join(ACCOUNT))?;
        if record.state == RunState::Running {
            fold::replay(&mut record, &folder.join(EVENTS));
            // It may have ended between the two looks.
            let unended = record.state == RunState::Running;
            if unended && !goes_on(&folder, Some(record.process)) {
                record = read_json(&folder.join(ACCOUNT))
                    .filter(|r: &RunRecord| r.state != RunState::Running)
                    .unwrap_or(RunRecord {
                        state: RunState::Died,
                        ..record
                    });
            }
        }
        Some(record)
    }

    /// The pipeline that a run was of.
    pub fn run_pipeline(&self, id: &str) -> Option<RunPipeline> {
        read_json(&self.run_folder(id).join(PIPELINE))
    }

    fn runs_folder(&self) -> PathBuf {
        self.root().join("runs")
    }

    fn run_folder(&self, id: &str) -> PathBuf {
        self.runs_folder().join(id)
    }
}

impl RunFolder {
    /// Appends one event; it is the system's as soon as this returns, whatever becomes of this process.
    pub fn append(&mut self, line: &str) -> Result<(), CacheError> {
        let path = self.path.join(EVENTS);
        self.events
            .write_all(format!("{line}\n").as_bytes())
            .map_err(CacheError::io("write", &path))
    }

    pub fn write_pipeline(&self, pipeline: &RunPipeline) -> Result<(), CacheError> {
        self.write(PIPELINE, pipeline)
    }

    pub fn write_account(&self, record: &RunRecord) -> Result<(), CacheError> {
        self.write(ACCOUNT, record)
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), CacheError> {
        let path = self.path.join(name);
        let temporary = self.path.join(format!(".{name}"));
        let bytes =
            serde_json::to_vec(value).map_err(|e| CacheError::io("write", &path)(e.into()))?;
        fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(CacheError::io("write", &path))
    }
}

/// What cannot be read counts as not there.
fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Whether somebody is still writing a record.
fn goes_on(folder: &Path, process: Option<u32>) -> bool {
    let Ok(events) = File::open(folder.join(EVENTS)) else {
        return false;
    };
    match events.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(_)) => {
            process.is_some_and(|number| Path::new(&format!("/proc/{number}")).exists())
        }
    }
}

/// Sorts by time, to the millisecond; the ending tells runs of one moment apart.
fn new_id() -> String {
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let salt = format!("{} {}", std::process::id(), since.as_nanos());
    let ending = &Digest::of_bytes(salt.as_bytes()).to_string()[..4];
    format!("{}-{ending}", utc(now, "%Y%m%dT%H%M%S%.3fZ"))
}

/// A moment in Coordinated Universal Time, in a format of strftime's.
pub fn utc(moment: SystemTime, format: &str) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    arrow::temporal_conversions::timestamp_ms_to_datetime(since.as_millis() as i64)
        .map(|time| time.format(format).to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
