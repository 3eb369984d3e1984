//! The embeddings of rows that have an image and a text.

use std::collections::HashMap;
use std::num::NonZero;
use std::path::PathBuf;

use arrow::array::{Array, RecordBatch};
use serde::Deserialize;
use serde_json::Value as Json;
use tch::Device;
use trommel_engine::table::Digest;
use trommel_engine::worker::protocol::Failure;

use super::batches::Embedding;
use super::checkpoint;
use super::files::Files;
use super::model::Model;
use super::words::Words;
use crate::device;
use crate::work::columns::text_column;
use crate::work::{Precision, WorkError, parallel, read_settings};

/// The configuration of the kinds that use CLIP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The checkpoint's folder, absolute.
    model: PathBuf,
    #[serde(default)]
    precision: Precision,
    /// Images or texts computed at a time. Changes nothing but memory and time.
    batch_size: Option<NonZero<usize>>,
}

/// Tokens, of images or texts, that fill the processors and whose states stay in their caches.
const TOKENS_ON_CPU: usize = 1_024;
const BATCH_ON_GPU: usize = 128;
/// Bytes of embeddings that are remembered from request to request. At 768 components those are 86,000 images, 36,000 texts.
const IMAGE_ROOM: usize = 256 << 20;
const TEXT_ROOM: usize = 128 << 20;

/// A loaded checkpoint, and what it has embedded.
pub(super) struct Embedder {
    model: Model,
    files: Files,
    words: Words,
    image_batch: usize,
    text_batch: usize,
    threads: NonZero<usize>,
    /// Components of an embedding.
    width: usize,
}

/// The embeddings of some rows.
pub(super) struct Pairs {
    /// Image and text; none where the row has not both, or has failed.
    pub(super) rows: Vec<Option<(Embedding, Embedding)>>,
    pub(super) failed: Vec<Failure>,
    pub(super) width: usize,
}

impl Embedder {
    pub(super) fn open(
        kind: &'static str,
        config: Json,
        device: Device,
    ) -> Result<Self, WorkError> {
        let settings: Settings = read_settings(kind, config)?;
        let precision = settings.precision;
        let loaded = checkpoint::load(&settings.model, precision.kind(), device)?;
        let batch = |tokens: usize| match (settings.batch_size, device) {
            (Some(given), _) => given.get(),
            (None, Device::Cpu) => (TOKENS_ON_CPU / tokens).max(1),
            (None, _) => BATCH_ON_GPU,
        };
        let embedding = loaded.width * size_of::<f32>();
        let images = IMAGE_ROOM / (embedding + size_of::<Digest>());
        let texts = TEXT_ROOM / (embedding + loaded.positions * size_of::<i64>());
        Ok(Self {
            files: Files::new(loaded.images, images),
            words: Words::new(loaded.encode, loaded.vocabulary, texts),
            model: Model {
                towers: loaded.towers,
                precision,
                device,
            },
            image_batch: batch(loaded.image_tokens),
            text_batch: batch(loaded.positions),
            threads: device::threads()?,
            width: loaded.width,
        })
    }

    #[cfg(test)]
    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Embeds `image` (the path of a file) and `text` of every row that has both. A row whose image or text cannot be used
    /// has failed.
    pub(super) fn pairs(&mut self, rows: &RecordBatch) -> Result<Pairs, WorkError> {
        let _held = self.model.precision.allow(self.model.device)?;
        let (paths, texts) = (text_column(rows, "image")?, text_column(rows, "text")?);
        let whole: Vec<usize> = (0..rows.num_rows())
            .filter(|&row| paths.is_valid(row) && texts.is_valid(row))
            .collect();
        let (paths, file_of) = distinct(whole.iter().map(|&row| paths.value(row)));
        let (texts, text_of) = distinct(whole.iter().map(|&row| texts.value(row)));

        // On the CPU the threads that read would only take turns with those that compute; a GPU shall find its next batch ready.
        let room = match self.model.device {
            Device::Cpu => self.threads.get(),
            _ => self.image_batch + 2 * self.threads.get(),
        };
        let reader = self.files.reader();
        let read = |path: &&str| reader.read(path);
        let (texts, images) = parallel::ahead(&paths, self.threads, room, read, |read| {
            // The first images are read meanwhile.
            let texts = self
                .words
                .start(&self.model, &texts, self.text_batch, self.threads);
            let images = self
                .files
                .embed(&self.model, &paths, read, self.image_batch);
            (self.words.finish(texts), images)
        });

        let mut pairs = Pairs {
            rows: vec![None; rows.num_rows()],
            failed: Vec::new(),
            width: self.width,
        };
        for (place, row) in whole.into_iter().enumerate() {
            match (&images[file_of[place]], &texts[text_of[place]]) {
                (Ok(image), Ok(text)) => pairs.rows[row] = Some((image.clone(), text.clone())),
                (Err(reason), _) | (_, Err(reason)) => pairs.failed.push(Failure {
                    row,
                    reason: reason.clone(),
                }),
            }
        }
        Ok(pairs)
    }
}

/// The different ones of some values, and for each value which of those it is.
fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> (Vec<&'a str>, Vec<usize>) {
    let (mut places, mut different) = (HashMap::new(), Vec::new());
    let of = values.map(|value| {
        *places.entry(value).or_insert_with(|| {
            different.push(value);
            different.len() - 1
        })
    });
    let of = of.collect();
    (different, of)
}
