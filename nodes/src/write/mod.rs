//! Formats of outputs.

use trommel_engine::node::Format;

mod arrow_file;
mod beside;
mod card;
mod chat;
mod csv;
mod embedded;
mod images;
mod jsonl;
mod llava;
mod lock;
mod messages;
mod parquet;
mod sharegpt;
mod webdataset;

pub use csv::csv_bytes;
pub use lock::NUMBERS as LOCKED_NUMBERS;
pub use parquet::parquet_bytes;

pub const FORMATS: &[&dyn Format] = &[
    &llava::Llava,
    &jsonl::Jsonl,
    &csv::Csv,
    &parquet::Parquet,
    &arrow_file::ArrowFile,
    &sharegpt::ShareGpt,
    &messages::Messages,
    &webdataset::WebDataset,
];
