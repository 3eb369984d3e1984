//! Formats of outputs.

use trommel_engine::node::Format;

mod arrow_file;
mod csv;
mod jsonl;
mod llava;
mod lock;

pub use csv::csv_bytes;

pub const FORMATS: &[&dyn Format] = &[
    &llava::Llava,
    &jsonl::Jsonl,
    &csv::Csv,
    &arrow_file::ArrowFile,
];
