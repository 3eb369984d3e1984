//! What can go wrong between us and the hub.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A fault of one request or one file; [`crate::words`] tells the user.
#[derive(Debug)]
pub(crate) enum HubError {
    /// No answer at all.
    Unreachable {
        reason: String,
        passing: bool,
    },
    /// An answer, though not what was asked for.
    Status {
        status: u16,
        /// `X-Error-Code`: `RepoNotFound`, `RevisionNotFound`, `EntryNotFound`, `GatedRepo`.
        code: String,
        /// How long the hub wants us to wait.
        after: Option<Duration>,
        file: Option<String>,
    },
    /// The answer makes no sense.
    Answer {
        reason: String,
    },
    /// A connection ended before the file did.
    Cut {
        file: String,
        got: u64,
        of: u64,
    },
    /// What came is not what the hub says it is.
    Digest {
        file: String,
    },
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// Seen beforehand.
    NoRoom {
        folder: PathBuf,
        needed: u64,
        free: u64,
    },
    NoWeights {
        files: usize,
    },
    Cancelled,
}

impl HubError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// The same request may succeed a little later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { passing, .. } => *passing,
            Self::Status { status, .. } => *status == 408 || *status == 429 || *status >= 500,
            Self::Cut { .. } | Self::Digest { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn wants_pause(&self) -> Option<Duration> {
        match self {
            Self::Status { after, .. } => *after,
            _ => None,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        let full = [
            io::ErrorKind::StorageFull,
            io::ErrorKind::QuotaExceeded,
            io::ErrorKind::FileTooLarge,
        ];
        match self {
            Self::Io { source, .. } => full.contains(&source.kind()),
            Self::NoRoom { .. } => true,
            _ => false,
        }
    }
}
