//! Memory-mapping of a file: the unsafe calls of this crate.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};

use crate::error::CheckpointError;

/// Maps a whole file for reading. An empty file is an error: no format here allows one.
#[expect(unsafe_code, reason = "a memory map is unsafe by nature; see SAFETY")]
pub(crate) fn map(path: &Path) -> Result<Mmap, CheckpointError> {
    let io = |action| {
        move |source| CheckpointError::Io {
            path: path.to_path_buf(),
            action,
            source,
        }
    };
    let file = File::open(path).map_err(io("open"))?;
    if file.metadata().map_err(io("read"))?.len() == 0 {
        return Err(CheckpointError::Empty {
            path: path.to_path_buf(),
        });
    }
    // SAFETY: the map is read-only and private to this process. What remains is that another process changes or cuts
    // the file while it is mapped. All bytes are read as plain numbers whose every bit pattern is valid, and every
    // range is checked against the map's length; a file cut meanwhile ends the process with SIGBUS, as any mapped
    // checkpoint in other programs does. Model files are not edited in place while a run uses them.
    unsafe { Mmap::map(&file) }.map_err(io("map"))
}

/// Lets go of the memory that holds these bytes of a file. Whoever reads them again gets them from the file.
#[expect(unsafe_code, reason = "see SAFETY")]
pub(crate) fn release(map: &Mmap, bytes: Range<usize>) {
    // SAFETY: the map is of a file and nothing was written to it, so its pages come back as they were.
    let advised =
        unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, bytes.start, bytes.len()) };
    // It is advice: a system that does not take it needs more memory and gives the same bytes.
    drop(advised);
}
