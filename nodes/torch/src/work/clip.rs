//! `embed.clip` and `score.clip`: a model of two towers over each row's image and text. Radford et al. 2021, arXiv 2103.00020;
//! Zhai et al. 2023, arXiv 2303.15343.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, RecordBatch};
use arrow::error::ArrowError;
use serde_json::Value as Json;
use tch::Device;
use trommel_engine::table::list_of_floats;

use super::{RowAnswer, RowWork, Session, WorkError};

mod batches;
mod checkpoint;
mod files;
mod model;
mod pairs;
#[cfg(test)]
mod tests;
mod words;

use batches::Embedding;
use pairs::{Embedder, Pairs};

/// One vector per row, the image's embedding and then the text's, each of length 1.
pub(super) fn open_embedding(config: Json, device: Device) -> Result<Session, WorkError> {
    open("embed.clip", "clip", vectors, config, device)
}

/// The cosine of a row's image and text, not scaled. Hessel et al. 2021, arXiv 2104.08718, without their factor and their cut
/// at 0.
pub(super) fn open_score(config: Json, device: Device) -> Result<Session, WorkError> {
    let give: Give = |pairs| Ok(Arc::new(cosines(pairs)));
    open("score.clip", "clip_score", give, config, device)
}

/// What a kind makes of the embeddings.
type Give = fn(&Pairs) -> Result<ArrayRef, ArrowError>;

struct ClipWork {
    embedder: Embedder,
    column: &'static str,
    give: Give,
}

fn open(
    kind: &'static str,
    column: &'static str,
    give: Give,
    config: Json,
    device: Device,
) -> Result<Session, WorkError> {
    let embedder = Embedder::open(kind, config, device)?;
    Ok(Session::Rows(Box::new(ClipWork {
        embedder,
        column,
        give,
    })))
}

impl RowWork for ClipWork {
    fn rows(&mut self, rows: &RecordBatch) -> Result<RowAnswer, WorkError> {
        let pairs = self.embedder.pairs(rows)?;
        let column = (self.give)(&pairs)?;
        Ok(RowAnswer {
            columns: RecordBatch::try_from_iter_with_nullable([(self.column, column, true)])?,
            failed: pairs.failed,
        })
    }
}

fn vectors(pairs: &Pairs) -> Result<ArrayRef, ArrowError> {
    let mut values = vec![0.0; pairs.rows.len() * 2 * pairs.width];
    for (row, place) in pairs.rows.iter().zip(values.chunks_mut(2 * pairs.width)) {
        if let Some((image, text)) = row {
            place[..pairs.width].copy_from_slice(image);
            place[pairs.width..].copy_from_slice(text);
        }
    }
    let valid = pairs.rows.iter().map(Option::is_some).collect();
    Ok(Arc::new(list_of_floats(
        values,
        2 * pairs.width,
        Some(valid),
    )?))
}

fn cosines(pairs: &Pairs) -> Float32Array {
    let cosine = |row: &Option<(Embedding, Embedding)>| {
        let (image, text) = row.as_ref()?;
        let products = image.iter().zip(text.iter()).map(|(a, b)| a * b);
        Some(products.sum::<f32>())
    };
    pairs.rows.iter().map(cosine).collect()
}
