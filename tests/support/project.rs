//! A project in a temporary folder, and the program run in it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_trommel");

/// A folder that goes when the test ends.
pub(crate) struct Project {
    folder: TempDir,
}

/// How a call of the program ended. Places and times that differ between machines are masked.
pub(crate) struct Outcome {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, with the folders that it stands in.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        fs::write(path, content).expect("the file is written");
        self
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        run_in(self.folder.path(), arguments)
    }

    /// Runs a shell script that calls the program as `"$PROGRAM"`, for what only a shell can arrange.
    pub(crate) fn script(&self, script: &str) -> Outcome {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).env("PROGRAM", PROGRAM);
        settle(&mut shell, self.folder.path());
        finished(&mut shell, self.folder.path())
    }

    /// As `run`, with variables of the environment.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Outcome {
        let folder = self.folder.path();
        finished(
            program(folder, arguments).envs(variables.iter().copied()),
            folder,
        )
    }
}

impl Outcome {
    /// Ends the test unless the program succeeded.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.status, 0, "{self}");
        self
    }

    /// Ends the test unless the program said that the file or the call is wrong.
    pub(crate) fn refused(self) -> Self {
        assert_eq!(self.status, 2, "{self}");
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}\n{}{}", self.status, self.stdout, self.stderr)
    }
}

/// Runs the program in `folder`, in an environment that is the same on every machine.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Outcome {
    finished(&mut program(folder, arguments), folder)
}

/// A call of the program in `folder`, not started yet.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    settle(&mut command, folder);
    command
}

fn settle(command: &mut Command, folder: &Path) {
    command
        .current_dir(folder)
        .env_remove("TROMMEL_CACHE")
        .env_remove("TROMMEL_WORKER")
        .env_remove("TROMMEL_TEST_UNSET")
        .env("TROMMEL_TEST_SECRET", "hunter2")
        .env("HF_HUB_CACHE", "/no/hub/cache")
        .env("HF_HUB_OFFLINE", "1")
        .env("NO_COLOR", "1");
}

fn finished(command: &mut Command, folder: &Path) -> Outcome {
    let output = command.output().expect("the program starts");
    let mask = |bytes: &[u8]| masked(&String::from_utf8_lossy(bytes), folder);
    let outcome = Outcome {
        status: output.status.code().unwrap_or(-1),
        stdout: mask(&output.stdout),
        stderr: mask(&output.stderr),
    };
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
    assert!(
        !outcome.to_string().contains("hunter2"),
        "a secret is shown: {outcome}"
    );
    outcome
}

fn masked(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "[FOLDER]");
    let text = text
        .lines()
        .map(without_times)
        .collect::<Vec<_>>()
        .join("\n");
    if text.is_empty() { text } else { text + "\n" }
}

/// `0.35 s` at the end of a line becomes `[TIME]`.
fn without_times(line: &str) -> String {
    let Some((before, number)) = line.strip_suffix(" s").and_then(|l| l.rsplit_once(' ')) else {
        return line.to_owned();
    };
    if number.parse::<f64>().is_ok() {
        format!("{before} [TIME]")
    } else {
        line.to_owned()
    }
}
