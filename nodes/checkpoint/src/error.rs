//! What can be wrong with a checkpoint, in words that name the file and the tensor.

use std::path::PathBuf;

use crate::dtype::Dtype;

/// Why a checkpoint cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("there is no checkpoint at {path}: neither a file nor a folder")]
    NotFound { path: PathBuf },
    #[error("the folder {folder} holds no checkpoint: looked for {looked_for}")]
    NoneInFolder { folder: PathBuf, looked_for: String },
    #[error(
        "{path} is not a checkpoint this program reads: expected a name that ends in .safetensors, .bin, .pt or .pth"
    )]
    UnknownExtension { path: PathBuf },
    #[error("cannot {action} {path}")]
    Io {
        path: PathBuf,
        action: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is empty (0 bytes); was its download or copy cut off?")]
    Empty { path: PathBuf },
    #[error("{path} is not a usable checkpoint index: {reason}")]
    Index { path: PathBuf, reason: String },
    #[error("{path} places the tensor `{tensor}` in {shard}, which does not hold it")]
    NotInShard {
        path: PathBuf,
        tensor: String,
        shard: String,
    },
    #[error("{path} is not a usable safetensors file: {reason}")]
    Safetensors { path: PathBuf, reason: String },
    #[error("{path} is not a usable torch.save file: {source}")]
    Torch {
        path: PathBuf,
        #[source]
        source: TorchError,
    },
    #[error("{path} has no tensor `{tensor}`{hint}")]
    MissingTensor {
        path: PathBuf,
        tensor: String,
        hint: String,
    },
    #[error("a tensor of {dtype} cannot be read as 32-bit floats; expected F16, BF16, F32 or F64")]
    NotFloat { dtype: Dtype },
    #[error("cannot write {path}: {reason}")]
    Write { path: PathBuf, reason: String },
}

/// Why a torch.save archive is refused.
#[derive(Debug, thiserror::Error)]
pub enum TorchError {
    #[error(
        "it has the format from before PyTorch 1.6; load and save it again with a newer PyTorch, or convert it to safetensors"
    )]
    Legacy,
    #[error("it is not a zip archive ({reason}); is the file cut off?")]
    NotZip { reason: String },
    #[error("the archive has no `{name}`")]
    NoEntry { name: String },
    #[error("the archive's `{name}` is compressed or encrypted; torch.save stores plainly")]
    NotStored { name: String },
    #[error("the archive's `{name}` reaches beyond the end of the file; is the file cut off?")]
    EntryOutside { name: String },
    #[error("it was written on a machine of {order} byte order; only little is read")]
    ByteOrder { order: String },
    #[error(
        "its pickle names `{global}`, which is not needed for tensors and is not trusted; save a plain dictionary of tensors instead"
    )]
    ForbiddenGlobal { global: String },
    #[error(
        "its pickle uses operation 0x{opcode:02x} (at byte {at}), which is not needed for tensors and is not trusted"
    )]
    ForbiddenOpcode { opcode: u8, at: usize },
    #[error("its pickle is cut off or damaged at byte {at}: {reason}")]
    Pickle { at: usize, reason: String },
    #[error("its pickle goes beyond a limit: {limit}")]
    Limit { limit: String },
    #[error("its top level is {found}; expected a dictionary (or list) of tensors")]
    NotADict { found: &'static str },
    #[error("the tensor `{tensor}` is damaged: {reason}")]
    Tensor { tensor: String, reason: String },
    #[error("two tensors are named `{tensor}`")]
    Duplicate { tensor: String },
}
