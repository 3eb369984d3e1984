//! The workers of a run: started when first needed, kept while there is work.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::{Patience, Program, Worker, WorkerError};

/// Finds, starts and keeps worker processes. Shared by all jobs of a run.
pub struct Workers {
    models: Arc<Program>,
    /// With the device that each was asked for.
    idle: Mutex<Vec<(String, Worker)>>,
}

impl Workers {
    /// `models` is the worker that holds the models.
    pub fn new(models: PathBuf) -> Self {
        Self {
            models: Arc::new(Program::at(models)),
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

    /// The program that holds the models.
    pub fn models(&self) -> &Arc<Program> {
        &self.models
    }

    /// An idle worker of the program for the device, else a new one.
    pub fn take(
        &self,
        program: &Arc<Program>,
        device: &str,
        patience: Patience<'_>,
    ) -> Result<Worker, WorkerError> {
        if let Ok(mut idle) = self.idle.lock() {
            let fits = |(d, worker): &(String, Worker)| d == device && worker.program() == program;
            while let Some(at) = idle.iter().position(fits) {
                let (_, worker) = idle.swap_remove(at);
                if worker.alive() {
                    return Ok(worker);
                }
            }
        }
        Worker::start(program, device, patience)
    }

    /// Keeps a worker for the next job.
    pub fn give_back(&self, device: &str, worker: Worker) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push((device.to_owned(), worker));
        }
    }
}
