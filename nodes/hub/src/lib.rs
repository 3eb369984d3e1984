//! Models from the Hugging Face hub: fetched into the cache folder that `transformers` and `huggingface_hub` use, in their
//! layout, so that each finds what the other fetched.
//!
//! `models--org--name/` holds `blobs/ETAG` (the contents), `snapshots/COMMIT/FILE` (links to blobs) and `refs/REVISION` (a
//! commit). A blob is written as `ETAG.incomplete`, gone on with where it was cut off, checked by size and digest, and
//! renamed; the reference comes last, so a snapshot that it names is whole.

mod blob;
mod client;
mod error;
mod settings;
mod source;
mod words;

pub use settings::{Settings, Token};
pub use source::Hub;
