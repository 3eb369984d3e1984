//! Kinds that bring data in: annotation files, tables, scores and vectors computed elsewhere.

use trommel_engine::node::{Entry, Erased};

pub mod arrow;
pub mod chat;
mod columnar;
pub mod concat;
pub mod csv;
mod image_bytes;
mod image_paths;
pub mod images;
pub mod jsonl;
pub mod llava;
mod open;
pub mod parquet;
pub mod positions;
pub mod score_net;
pub mod scores;
mod table_file;
mod values_file;
pub mod vectors;
pub mod webdataset;

pub const KINDS: &[Entry] = &[
    Entry {
        kind: &Erased::<arrow::Arrow>::NEW,
        source: include_str!("arrow.rs"),
    },
    Entry {
        kind: &Erased::<chat::Chat>::NEW,
        source: include_str!("chat.rs"),
    },
    Entry {
        kind: &Erased::<concat::Concat>::NEW,
        source: include_str!("concat.rs"),
    },
    Entry {
        kind: &Erased::<csv::Csv>::NEW,
        source: include_str!("csv.rs"),
    },
    Entry {
        kind: &Erased::<images::Images>::NEW,
        source: include_str!("images.rs"),
    },
    Entry {
        kind: &Erased::<jsonl::Jsonl>::NEW,
        source: include_str!("jsonl.rs"),
    },
    Entry {
        kind: &Erased::<llava::Llava>::NEW,
        source: include_str!("llava.rs"),
    },
    Entry {
        kind: &Erased::<parquet::Parquet>::NEW,
        source: include_str!("parquet.rs"),
    },
    Entry {
        kind: &Erased::<score_net::ScoreNet>::NEW,
        source: include_str!("score_net.rs"),
    },
    Entry {
        kind: &Erased::<scores::Scores>::NEW,
        source: include_str!("scores.rs"),
    },
    Entry {
        kind: &Erased::<vectors::Vectors>::NEW,
        source: include_str!("vectors.rs"),
    },
    Entry {
        kind: &Erased::<webdataset::Webdataset>::NEW,
        source: include_str!("webdataset.rs"),
    },
];

/// An error and what caused it, in one text.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
