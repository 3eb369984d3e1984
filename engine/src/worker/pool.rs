//! The workers of a run: started when first needed, kept while there is work.

use std::path::PathBuf;
use std::sync::Mutex;

use super::{Worker, WorkerError};

/// Finds, starts and keeps worker processes. Shared by all jobs of a run.
pub struct Workers {
    program: PathBuf,
    idle: Mutex<Vec<(String, Worker)>>,
}

impl Workers {
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// `TROMMEL_WORKER`, else `trommel-torch` beside the running program.
    pub fn find() -> Self {
        let program = std::env::var_os("TROMMEL_WORKER").map_or_else(
            || {
                let here = std::env::current_exe().unwrap_or_default();
                here.with_file_name("trommel-torch")
            },
            PathBuf::from,
        );
        Self::new(program)
    }

    pub fn program(&self) -> &PathBuf {
        &self.program
    }

    /// An idle worker for the device, else a new one.
    pub fn take(&self, device: &str) -> Result<Worker, WorkerError> {
        if let Ok(mut idle) = self.idle.lock() {
            while let Some(at) = idle.iter().position(|(d, _)| d == device) {
                let (_, mut worker) = idle.swap_remove(at);
                if worker.alive() {
                    return Ok(worker);
                }
            }
        }
        Worker::start(&self.program, device)
    }

    /// Keeps a worker for the next job.
    pub fn give_back(&self, device: &str, worker: Worker) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push((device.to_owned(), worker));
        }
    }
}
