//! What can go wrong with the cache.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;

/// A fault of the cache folder or of a file that counts by content.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} cannot be stored: {source}", path.display())]
    Arrow { path: PathBuf, source: ArrowError },
    /// A file of the cache, which stands in `corrupt/` now.
    #[error("{} is not what was stored", path.display())]
    Damaged { path: PathBuf },
    /// The words name who uses the cache.
    #[error("the cache {} is in use by {holder}", path.display())]
    InUse { path: PathBuf, holder: String },
}

impl CacheError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// A batch that could not be written to `path`.
    pub(super) fn arrow(path: &Path) -> impl FnOnce(ArrowError) -> Self {
        let path = path.to_owned();
        move |source| match source {
            ArrowError::IoError(_, source) => Self::Io {
                action: "write",
                path,
                source,
            },
            source => Self::Arrow { path, source },
        }
    }

    fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    /// No room is left, by the disk, a quota or a limit.
    pub fn is_full(&self) -> bool {
        let full = [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
        ];
        self.kind().is_some_and(|kind| full.contains(&kind))
    }

    /// The folder may be read only.
    pub fn is_read_only(&self) -> bool {
        let read_only = [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied];
        self.kind().is_some_and(|kind| read_only.contains(&kind))
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        if self.is_full() {
            return Some(
                "make room (`trommel cache gc` removes what no recent run used), or name another folder with --cache; \
                 what is done is kept",
            );
        }
        if self.is_read_only() {
            return Some(
                "a cache that may only be read serves runs that find everything in it; --cache names another folder",
            );
        }
        None
    }
}
