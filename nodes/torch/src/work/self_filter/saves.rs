//! What a training run saves on its way, and how it is taken up again.
//!
//! A state is one safetensors file, `step-NNNNNNNNN.safetensors`: for every trained parameter its value (float32: the master copy) and
//! both moments, and under `state` a JSON text with the rest. It is written by a thread of its own under another name and renamed
//! when all of it is on the disk. The last two are kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};
use trommel_checkpoint::{Checkpoint, CheckpointError, Dtype, SafetensorsWriter, TensorSpec};

use super::settings::SaveEvery;
use crate::train::{LogRow, Progress, Snapshot, Trainer};
use crate::weights::write::{put, spec};
use crate::work::error::words;
use crate::work::{Events, WorkError};

/// Raised when a state of before cannot be taken up any more.
const VERSION: u32 = 1;
const STATE: &str = "state";
const PREFIX: &str = "step-";
const ENDING: &str = ".safetensors";
/// What a killed process leaves of a file that it was writing.
const UNFINISHED: &str = ".writing-";

/// All of a run but its tensors.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    version: u32,
    step: usize,
    seen: usize,
    updates: u32,
    log: Vec<LogRow>,
}

/// Saves a run now and then.
pub(super) struct Saves<'a> {
    folder: &'a Path,
    every: SaveEvery,
    writing: Option<JoinHandle<Result<(), CheckpointError>>>,
    last_step: usize,
    last_time: Instant,
}

impl<'a> Saves<'a> {
    /// `start`: the step that the run starts with.
    pub(super) fn new(folder: &'a Path, every: SaveEvery, start: usize) -> Self {
        Self {
            folder,
            every,
            writing: None,
            last_step: start,
            last_time: Instant::now(),
        }
    }

    /// Called after each step: begins to save where it is time to. A state that cannot be written is a warning: training goes on.
    pub(super) fn after_step(
        &mut self,
        trainer: &Trainer,
        log: &[LogRow],
        events: &mut dyn Events,
    ) -> Result<(), WorkError> {
        if self.writing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait(events)?;
        }
        let is_time = match self.every {
            SaveEvery::Steps(steps) => log.len() - self.last_step >= steps,
            SaveEvery::Minutes(minutes) => {
                self.last_time.elapsed() >= Duration::from_secs_f64(60.0 * minutes)
            }
        };
        if is_time && log.len() < trainer.steps() {
            self.begin(trainer, log, events)?;
        }
        Ok(())
    }

    /// Saves now, unless that was just done, and waits until it is.
    pub(super) fn save_now(
        &mut self,
        trainer: &Trainer,
        log: &[LogRow],
        events: &mut dyn Events,
    ) -> Result<(), WorkError> {
        if log.len() > self.last_step {
            self.begin(trainer, log, events)?;
        }
        self.wait(events)
    }

    fn begin(
        &mut self,
        trainer: &Trainer,
        log: &[LogRow],
        events: &mut dyn Events,
    ) -> Result<(), WorkError> {
        self.wait(events)?;
        let snapshot = trainer.snapshot();
        let Progress {
            step,
            seen,
            updates,
        } = snapshot.progress;
        let state = State {
            version: VERSION,
            step,
            seen,
            updates,
            log: log.to_vec(),
        };
        let folder = self.folder.to_owned();
        self.writing = Some(std::thread::spawn(move || write(&folder, &state, snapshot)));
        (self.last_step, self.last_time) = (step, Instant::now());
        Ok(())
    }

    /// Waits for the state that is being written, if there is one.
    fn wait(&mut self, events: &mut dyn Events) -> Result<(), WorkError> {
        let reason = match self.writing.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => return Ok(()),
            Some(Ok(Err(error))) => words(&error),
            Some(Err(_)) => "a fault of this program".to_owned(),
        };
        events.warning(format!(
            "the state of training could not be saved, and is tried again later: {reason}"
        ))
    }
}

impl Drop for Saves<'_> {
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            // Nobody is left to tell; a state that is half written is not used.
            let _ = writing.join();
        }
    }
}

/// Takes up the newest state in the folder that is whole, if there is one; gives the log up to there.
pub(super) fn resume(
    folder: &Path,
    trainer: &mut Trainer,
    events: &mut dyn Events,
) -> Result<Vec<LogRow>, WorkError> {
    for path in leavings(folder) {
        // Of a process that was killed; nobody else works here.
        let _ = fs::remove_file(path);
    }
    for path in states(folder).into_iter().rev() {
        match take_up(&path, trainer) {
            Ok(log) => {
                events.log(format!("goes on after step {}", log.len()))?;
                return Ok(log);
            }
            Err(reason) => events.warning(format!(
                "the saved state {} cannot be used: {reason}",
                path.display()
            ))?,
        }
    }
    Ok(Vec::new())
}

fn take_up(path: &Path, trainer: &mut Trainer) -> Result<Vec<LogRow>, String> {
    let file = Checkpoint::open(path).map_err(|e| words(&e))?;
    let text = file.get(STATE).ok_or("it has no `state`")?;
    let state: State = serde_json::from_slice(&text.data).map_err(|e| e.to_string())?;
    if state.version != VERSION {
        return Err(format!("it is of version {}", state.version));
    }
    let progress = Progress {
        step: state.step,
        seen: state.seen,
        updates: state.updates,
    };
    let find = |name: &str| {
        let view = file.get(name).filter(|view| view.dtype == Dtype::F32)?;
        let shape: Vec<i64> = view.shape.iter().map(|&n| n as i64).collect();
        let tensor = Tensor::from_data_size(&view.data, &shape, Kind::Float);
        file.release(name);
        Some(tensor)
    };
    trainer.resume(progress, find).map_err(|e| words(&e))?;
    Ok(state.log)
}

fn write(folder: &Path, state: &State, mut snapshot: Snapshot) -> Result<(), CheckpointError> {
    // Two are on the disk at any time at most, the one that is being written included: a state of a large model has 80 GB.
    let old = states(folder);
    for path in &old[..old.len().saturating_sub(1)] {
        let _ = fs::remove_file(path);
    }
    let text = serde_json::to_vec(state).expect("numbers alone");
    let mut specs = vec![TensorSpec {
        name: STATE.to_owned(),
        dtype: Dtype::U8,
        shape: vec![text.len()],
    }];
    specs.extend(
        snapshot
            .tensors()
            .map(|tensor| spec(&tensor.name, &tensor.value)),
    );
    let path = folder.join(format!("{PREFIX}{:09}{ENDING}", state.step));
    let mut file = SafetensorsWriter::create(&path, specs, &[].into())?;
    file.write(STATE, &text)?;
    while let Some(block) = snapshot.next_block() {
        for tensor in block {
            put(&mut file, &tensor.name, &tensor.value)?;
        }
    }
    file.finish()
}

/// The states in a folder, the oldest first.
fn states(folder: &Path) -> Vec<PathBuf> {
    let mut states = named(folder, |name| {
        name.starts_with(PREFIX) && name.ends_with(ENDING)
    });
    states.sort();
    states
}

fn leavings(folder: &Path) -> Vec<PathBuf> {
    named(folder, |name| name.starts_with(UNFINISHED))
}

fn named(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let wanted = entries.filter(|entry| entry.file_name().to_str().is_some_and(&is_wanted));
    wanted.map(|entry| entry.path()).collect()
}
