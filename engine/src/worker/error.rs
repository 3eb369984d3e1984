//! Why a worker did not answer, and what to do about it.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use super::Program;
use super::protocol::PROTOCOL;

#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("cannot start the worker {program}: {source}")]
    Start {
        program: Arc<Program>,
        source: io::Error,
    },
    #[error("the worker {program} speaks protocol {theirs}, this program speaks {PROTOCOL}")]
    Protocol { program: Arc<Program>, theirs: u32 },
    #[error("the worker {program} ended ({status}){words}")]
    Ended {
        program: Arc<Program>,
        status: String,
        words: String,
    },
    #[error("the worker {program} did not answer within {seconds} s{words}")]
    Silent {
        program: Arc<Program>,
        seconds: u64,
        words: String,
    },
    #[error("the worker {program} was not understood: {what}{words}")]
    Garbled {
        program: Arc<Program>,
        what: String,
        words: String,
    },
    #[error("{}", refusal(program, message, words))]
    Refused {
        program: Arc<Program>,
        message: String,
        help: Option<String>,
        words: String,
    },
    #[error("interrupted")]
    Cancelled,
}

/// Our own worker's refusals say all there is to say.
fn refusal(program: &Program, message: &str, words: &str) -> String {
    if program.is_foreign() {
        format!("the worker {program} reports: {message}{words}")
    } else {
        message.to_owned()
    }
}

/// The last lines of a worker's standard error, for the end of a message.
pub(super) fn last_words(lines: &[String]) -> String {
    let mut words = String::new();
    for (number, line) in lines.iter().enumerate() {
        let lead = if number == 0 {
            "; its last words were:"
        } else {
            ""
        };
        let _ = write!(words, "{lead}\n{line}");
    }
    words
}

impl WorkerError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Refused { help, .. } => return help.clone(),
            Self::Start { program, source } if program.is_foreign() => not_started(program, source),
            Self::Start { .. } => {
                "`make build` builds it beside the program; TROMMEL_WORKER names it where it stands elsewhere".into()
            }
            Self::Silent { program, .. } if program.is_foreign() => {
                "if it needs longer, give `timeout: SECONDS`, or have it report its progress meanwhile".into()
            }
            Self::Garbled { program, .. } if program.is_foreign() => {
                "its standard output is for the frames of docs/worker-protocol.md alone; print to standard error".into()
            }
            Self::Ended { program, .. } if program.is_foreign() => {
                "a worker answers until its standard input ends: docs/worker-protocol.md".into()
            }
            _ => return None,
        };
        Some(help)
    }
}

/// Why the system did not start a program; its own words leave out what was looked for.
fn not_started(program: &Program, error: &io::Error) -> String {
    /// `ENOEXEC`: the file is executable but no program.
    const NO_PROGRAM: i32 = 8;
    let path = program.path.display();
    let is_path = program.path.components().count() > 1;
    let beside = program.folder.as_deref().map(|f| f.join(&program.path));
    match error.kind() {
        io::ErrorKind::NotFound if is_path && program.path.exists() => {
            format!("{path} is there, but not the interpreter that its first line (`#!`) names")
        }
        io::ErrorKind::NotFound if is_path => {
            format!(
                "there is no {path}; a program with a `/` is a path from the pipeline file's folder"
            )
        }
        io::ErrorKind::NotFound if beside.is_some_and(|file| file.is_file()) => {
            format!(
                "`{path}` is not on PATH; the one beside the pipeline file is written `./{path}`"
            )
        }
        io::ErrorKind::NotFound => format!("there is no program `{path}` on PATH"),
        io::ErrorKind::PermissionDenied => format!(
            "make {path} executable (chmod +x), or name its interpreter first: [python3, FILE]"
        ),
        _ if error.raw_os_error() == Some(NO_PROGRAM) => format!(
            "{path} has no first line like `#!/usr/bin/env python3`; add one, or name its interpreter first: [python3, FILE]"
        ),
        _ => format!("{path} was tried"),
    }
}
