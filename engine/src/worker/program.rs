//! What is started as a worker: a program, its arguments, and the folder that it works in.

use std::fmt;
use std::path::PathBuf;

/// A program and how it is called. Workers of equal programs serve the same nodes.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    /// The engine's own where none is named.
    pub(super) folder: Option<PathBuf>,
}

impl Program {
    /// A worker of ours.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            folder: None,
        }
    }

    /// A command of the user's, working in `folder`. A `program` with a `/` is a path from there; any other is looked up
    /// on `PATH`.
    pub fn command(program: &str, arguments: &[String], folder: PathBuf) -> Self {
        Self {
            path: if program.contains('/') {
                folder.join(program)
            } else {
                program.into()
            },
            arguments: arguments.to_vec(),
            folder: Some(folder),
        }
    }

    /// Whether somebody else wrote it, who is to be told what it did wrong.
    pub fn is_foreign(&self) -> bool {
        self.folder.is_some()
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(folder) = &self.folder else {
            return self.path.display().fmt(f);
        };
        let path = self.path.strip_prefix(folder).unwrap_or(&self.path);
        write!(f, "`{}", path.display())?;
        for argument in &self.arguments {
            write!(f, " {argument}")?;
        }
        f.write_str("`")
    }
}
