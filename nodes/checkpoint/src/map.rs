//! Memory-mapping of a file: the one unsafe call of this crate.

use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

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
