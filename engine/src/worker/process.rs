//! One worker process and the talk with it.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, BufWriter};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::protocol::{PROTOCOL, Request, Response, read_frame, write_frame};

const LAST_WORDS: usize = 20;
const START_TIMEOUT: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);

/// Why a worker did not answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("cannot start the worker {program}: {source}")]
    Start {
        program: String,
        source: std::io::Error,
    },
    #[error("the worker {program} speaks protocol {theirs}, this program speaks {PROTOCOL}")]
    Protocol { program: String, theirs: u32 },
    #[error("the worker {program} ended ({status}){words}")]
    Ended {
        program: String,
        status: String,
        words: String,
    },
    #[error("the worker {program} did not answer within {} s{words}", seconds)]
    Silent {
        program: String,
        seconds: u64,
        words: String,
    },
    #[error("the worker {program} was not understood: {what}")]
    Garbled { program: String, what: String },
    #[error("{message}")]
    Refused {
        message: String,
        help: Option<String>,
    },
    #[error("interrupted")]
    Cancelled,
}

type Frame = std::io::Result<(Response, Vec<u8>)>;

/// A running worker. Dropping it ends the process.
pub struct Worker {
    program: String,
    child: Child,
    stdin: BufWriter<ChildStdin>,
    frames: Receiver<Frame>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    /// The device that the worker chose.
    pub device: String,
    /// What it calls itself.
    pub name: String,
    pub version: String,
    sessions: u64,
}

impl Worker {
    pub fn start(program: &Path, device: &str) -> Result<Self, WorkerError> {
        let name = program.display().to_string();
        let start_error = |source| WorkerError::Start {
            program: name.clone(),
            source,
        };
        let mut command = Command::new(program);
        // OpenMP threads that spin while they wait starve whatever else runs here (measured: 55 s
        // for an epoch that takes 5), and they read this before the worker's main.
        for (name, value) in [
            ("OMP_WAIT_POLICY", "PASSIVE"),
            ("TORCH_CUDNN_SDPA_DEPRIORITIZED", "1"),
        ] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on a terminal is the engine's to handle.
            .process_group(0);
        let mut child = spawn(&mut command).map_err(start_error)?;
        let pipe_missing = || start_error(std::io::Error::other("no pipe to it"));
        let stdin = child.stdin.take().ok_or_else(pipe_missing)?;
        let stdout = child.stdout.take().ok_or_else(pipe_missing)?;
        let stderr = child.stderr.take().ok_or_else(pipe_missing)?;
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let words = last_words.clone();
        std::thread::spawn(move || keep_last_words(BufReader::new(stderr), &words));
        let (send, frames) = sync_channel(4);
        std::thread::spawn(move || {
            let mut stdout = BufReader::with_capacity(1 << 16, stdout);
            while let Some(frame) = read_frame(&mut stdout).transpose() {
                let broken = frame.is_err();
                if send.send(frame).is_err() || broken {
                    return;
                }
            }
        });
        let mut worker = Self {
            program: name,
            child,
            stdin: BufWriter::new(stdin),
            frames,
            last_words,
            device: String::new(),
            name: String::new(),
            version: String::new(),
            sessions: 0,
        };
        worker.greet(device)?;
        Ok(worker)
    }

    fn greet(&mut self, device: &str) -> Result<(), WorkerError> {
        self.send(
            &Request::Hello {
                protocol: PROTOCOL,
                device: device.to_owned(),
            },
            &[],
        )?;
        let never = AtomicBool::new(false);
        match self.receive(&never, Some(START_TIMEOUT))?.0 {
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
            Response::Error { message, help } => Err(WorkerError::Refused { message, help }),
            other => Err(self.garbled(&format!("{other:?} instead of a greeting"))),
        }
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

    pub fn send(&mut self, request: &Request, body: &[u8]) -> Result<(), WorkerError> {
        write_frame(&mut self.stdin, request, body).map_err(|_| self.ended())
    }

    /// The next message. Ends the process where `cancel` is set meanwhile.
    pub fn receive(
        &mut self,
        cancel: &AtomicBool,
        timeout: Option<Duration>,
    ) -> Result<(Response, Vec<u8>), WorkerError> {
        let start = Instant::now();
        loop {
            match self.frames.recv_timeout(POLL) {
                Ok(Ok(frame)) => return Ok(frame),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Err(self.garbled(&error.to_string()));
                }
                Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if cancel.load(Ordering::Relaxed) {
                self.kill();
                return Err(WorkerError::Cancelled);
            }
            if let Some(limit) = timeout.filter(|&limit| start.elapsed() > limit) {
                self.kill();
                return Err(WorkerError::Silent {
                    program: self.program.clone(),
                    seconds: limit.as_secs(),
                    words: self.words(),
                });
            }
        }
    }

    pub fn garbled(&self, what: &str) -> WorkerError {
        WorkerError::Garbled {
            program: self.program.clone(),
            what: what.to_owned(),
        }
    }

    /// Whether the process is still there to be given more work.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn kill(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn ended(&mut self) -> WorkerError {
        // It has closed its pipes; a process that lingers after that is ended.
        let deadline = Instant::now() + Duration::from_secs(2);
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status.to_string(),
                Ok(None) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => {
                    self.kill();
                    break "it closed its output".to_owned();
                }
            }
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
        let lines = self
            .last_words
            .lock()
            .map(|l| l.iter().cloned().collect::<Vec<_>>())
            .unwrap_or_default();
        if lines.is_empty() {
            return String::new();
        }
        format!("; its last words were:\n{}", lines.join("\n"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
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

fn keep_last_words(stderr: impl BufRead, words: &Mutex<VecDeque<String>>) {
    for line in stderr.split(b'\n').map_while(Result::ok) {
        let Ok(mut words) = words.lock() else { return };
        if words.len() == LAST_WORDS {
            words.pop_front();
        }
        words.push_back(String::from_utf8_lossy(&line).into_owned());
    }
}
