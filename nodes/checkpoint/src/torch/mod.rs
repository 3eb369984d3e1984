//! Reads torch.save files: a zip archive of a pickle (`data.pkl`) and one entry of raw bytes per storage.
//!
//! Format facts: `torch/serialization.py` of `PyTorch`, and the pickle operations in Python's `Lib/pickletools.py`.

mod archive;
mod object;
mod pickle;
mod state;

use crate::entry::Entry;
use crate::error::TorchError;

/// The tensors of a torch.save file, checked to lie within it.
pub(crate) fn entries(file: &[u8]) -> Result<Vec<Entry>, TorchError> {
    let archive = archive::Archive::open(file)?;
    let heap = pickle::load(archive.pickle(file)?)?;
    state::entries(&heap, &archive, file.len())
}
