//! What can be wrong with an image file or with a preprocessor configuration.

use std::path::PathBuf;

/// Why the bytes of a file are no image that can be used. The caller knows the file's name and adds it.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("the file is empty (0 bytes)")]
    Empty,
    #[error(
        "not an image: the first bytes are {start}; JPEG, PNG, GIF, BMP, WebP and TIFF are read"
    )]
    UnknownFormat { start: String },
    #[error("{format} files are not read; convert the image to JPEG or PNG")]
    UnsupportedFormat { format: String },
    #[error(
        "{format} with pixels of type {pixels} is not read; convert the image to 8 bits a channel"
    )]
    UnsupportedPixels { format: String, pixels: String },
    #[error("the image says it is {width} x {height} = {pixels} pixels; at most {limit} are read")]
    TooLarge {
        width: u64,
        height: u64,
        pixels: u64,
        limit: u64,
    },
    #[error(
        "16-bit grey (PIL's mode I;16) is not resized by this model's own transform; convert the image to 8 bits a channel"
    )]
    DeepGrey,
    #[error(
        "the image is {width} x {height} pixels: with the short side at {side}, the long one would be {long}; at most {limit} are made"
    )]
    TooThin {
        width: usize,
        height: usize,
        side: usize,
        long: usize,
        limit: usize,
    },
    #[error("the image has no pixels: it says it is {width} x {height}")]
    NoPixels { width: u64, height: u64 },
    #[error("the {format} file is cut off: its {bytes} bytes end before the image does")]
    Truncated { format: String, bytes: usize },
    #[error("the {format} file is damaged: {reason}")]
    Damaged { format: String, reason: String },
}

/// Why a `preprocessor_config.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path}: {source}")]
    InFile {
        path: PathBuf,
        #[source]
        source: Box<PreprocessError>,
    },
    #[error("not a preprocessor configuration: {source}")]
    Json {
        #[from]
        source: serde_json::Error,
    },
    #[error("`{key}` is {found}, but must be {wanted}")]
    Value {
        key: &'static str,
        found: String,
        wanted: &'static str,
    },
}
