//! One worker process and the talk with it.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

use super::error::last_words;
use super::pipes::Pipes;
use super::protocol::{PROTOCOL, Request, Response, write_frame};
use super::{Program, WorkerError};

/// For the greeting, where no limit is given.
const START_TIMEOUT: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);

/// Settings that libraries of workers read before the worker's `main`, and why. What the user has set stays.
pub const ENVIRONMENT: [(&str, &str); 5] = [
    // Else glibc asks the system for the memory of every large tensor anew and gives it back afterwards: a good part of the
    // time of a vision transformer on the CPU went into clearing pages.
    ("MALLOC_MMAP_THRESHOLD_", "1099511627776"),
    ("MALLOC_TRIM_THRESHOLD_", "1099511627776"),
    // Else threads of OpenMP spin while they wait: on cores that other programs use as well, training took 13 times as long.
    ("OMP_WAIT_POLICY", "PASSIVE"),
    // cuDNN's attention, which libtorch tries first otherwise, is slower than the flash kernels for the lengths seen here.
    ("TORCH_CUDNN_SDPA_DEPRIORITIZED", "1"),
    // Batches of ever new lengths would leave the GPU's memory in pieces too small for the next one.
    ("PYTORCH_ALLOC_CONF", "expandable_segments:True"),
];

/// How long to wait for a worker's next message.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// Once set, the process is ended.
    pub cancel: &'a AtomicBool,
    pub limit: Option<Duration>,
    /// The process is asked to end (SIGTERM) and may take its time to save what it has.
    pub gentle: bool,
}

/// A running worker. Dropping it ends the process.
pub struct Worker {
    program: Arc<Program>,
    child: Child,
    /// Its end was waited for: its number may be another process's.
    waited: bool,
    pipes: Pipes,
    /// The device that the worker chose.
    pub device: String,
    /// What it calls itself.
    pub name: String,
    pub version: String,
    sessions: u64,
    /// It was asked to end.
    asked: bool,
}

impl Worker {
    pub fn start(
        program: &Arc<Program>,
        device: &str,
        patience: Patience<'_>,
    ) -> Result<Self, WorkerError> {
        let start_error = |source| WorkerError::Start {
            program: program.clone(),
            source,
        };
        let mut command = Command::new(&program.path);
        command.args(&program.arguments);
        if let Some(folder) = &program.folder {
            command.current_dir(folder);
        }
        for (name, value) in ENVIRONMENT {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on a terminal is the engine's to handle; and what the worker starts can be ended with it.
            .process_group(0);
        let mut child = spawn(&mut command).map_err(start_error)?;
        let pipes = Pipes::of(&mut child).map_err(start_error)?;
        let mut worker = Self {
            program: program.clone(),
            child,
            waited: false,
            pipes,
            device: String::new(),
            name: String::new(),
            version: String::new(),
            sessions: 0,
            asked: false,
        };
        worker.greet(device, patience)?;
        Ok(worker)
    }

    fn greet(&mut self, device: &str, patience: Patience<'_>) -> Result<(), WorkerError> {
        self.send(
            &Request::Hello {
                protocol: PROTOCOL,
                device: device.to_owned(),
            },
            &[],
        )?;
        let limit = Some(patience.limit.unwrap_or(START_TIMEOUT));
        match self.receive(Patience { limit, ..patience })?.0 {
            Response::Hello {
                protocol: PROTOCOL,
                name,
                version,
                device,
            } => {
                (self.name, self.version, self.device) = (name, version, device);
                Ok(())
            }
            Response::Hello { protocol, .. } => Err(WorkerError::Protocol {
                program: self.program.clone(),
                theirs: protocol,
            }),
            Response::Error { message, help } => Err(self.refused(message, help)),
            other => Err(self.garbled(&format!("{other:?} instead of a greeting"))),
        }
    }

    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The number of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// A number for a new session.
    pub fn next_session(&mut self) -> u64 {
        self.sessions += 1;
        self.sessions
    }

    /// Hands a message over; whether the worker takes it, `receive` tells.
    pub fn send(&mut self, request: &Request, body: &[u8]) -> Result<(), WorkerError> {
        let mut frame = Vec::with_capacity(body.len() + 256);
        write_frame(&mut frame, request, body).map_err(|e| self.garbled(&e.to_string()))?;
        let handed_over = self.pipes.requests.send(frame);
        handed_over.map_err(|_| self.ended())
    }

    /// The next message. Ends the process where `patience` ends before.
    pub fn receive(&mut self, patience: Patience<'_>) -> Result<(Response, Vec<u8>), WorkerError> {
        let start = Instant::now();
        loop {
            if patience.cancel.load(Ordering::Relaxed) && !self.asked {
                if !patience.gentle || !self.ask_to_end() {
                    self.end();
                    return Err(WorkerError::Cancelled);
                }
                self.asked = true;
            }
            match self.pipes.frames.recv_timeout(POLL) {
                Ok(Ok(frame)) => return Ok(frame),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Err(self.garbled(&error.to_string()));
                }
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
                // What it has started may still hold its output open.
                Err(RecvTimeoutError::Timeout) if self.waited || self.has_ended() => {
                    return match self.pipes.frames.recv_timeout(POLL) {
                        Ok(Ok(frame)) => Ok(frame),
                        _ => Err(self.ended()),
                    };
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(limit) = patience.limit.filter(|&limit| start.elapsed() > limit) {
                self.end();
                return Err(WorkerError::Silent {
                    program: self.program.clone(),
                    seconds: limit.as_secs(),
                    words: self.words(),
                });
            }
        }
    }

    /// The error for an answer that makes no sense.
    pub fn garbled(&self, what: &str) -> WorkerError {
        WorkerError::Garbled {
            program: self.program.clone(),
            what: what.to_owned(),
            words: self.words(),
        }
    }

    /// The error for `error` as an answer.
    pub fn refused(&self, message: String, help: Option<String>) -> WorkerError {
        if self.asked {
            return WorkerError::Cancelled;
        }
        let words = if self.program.is_foreign() {
            self.words()
        } else {
            String::new()
        };
        WorkerError::Refused {
            program: self.program.clone(),
            message,
            help,
            words,
        }
    }

    /// Whether the process is still there to be given more work.
    pub fn alive(&self) -> bool {
        !self.waited && !self.has_ended()
    }

    /// Looks without taking notice: until it is waited for, no other process gets its number.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = self.id().map(|id| waitid(WaitId::Pid(id), options));
        !matches!(status, Some(Ok(None)))
    }

    fn id(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()).ok()?)
    }

    /// False: it has ended already.
    fn ask_to_end(&self) -> bool {
        let asked = self.id().map(|id| kill_process(id, Signal::TERM));
        matches!(asked, Some(Ok(())))
    }

    /// Ends the process and what it has started.
    fn end(&mut self) -> Option<ExitStatus> {
        if !self.waited {
            self.waited = true;
            // Already gone is as good.
            let _ = self.id().map(|id| kill_process_group(id, Signal::KILL));
        }
        self.child.wait().ok()
    }

    fn ended(&mut self) -> WorkerError {
        if self.asked {
            self.end();
            return WorkerError::Cancelled;
        }
        // It has closed its pipes; a process that lingers after that is ended.
        let deadline = Instant::now() + Duration::from_secs(2);
        while !self.waited && !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let by_itself = self.waited || self.has_ended();
        let status = match self.end() {
            Some(status) if by_itself => status.to_string(),
            _ => "it closed its output".to_owned(),
        };
        WorkerError::Ended {
            program: self.program.clone(),
            status,
            words: self.words(),
        }
    }

    fn words(&self) -> String {
        // The thread that reads stderr may be a moment behind.
        std::thread::sleep(POLL);
        last_words(&self.pipes.last_words())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// A program that is just being written (a build, a copy) is busy for a moment.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    let start = Instant::now();
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == std::io::ErrorKind::ExecutableFileBusy
                    && start.elapsed() < Duration::from_secs(2) =>
            {
                std::thread::sleep(POLL);
            }
            result => return result,
        }
    }
}
