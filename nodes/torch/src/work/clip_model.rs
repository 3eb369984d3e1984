//! CLIP with all that belongs to it, and the embeddings of rows that have an image and a text.

use std::collections::HashMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use arrow::array::{Array, RecordBatch};
use serde::Deserialize;
use serde_json::Value as Json;
use tch::{Device, Kind, Tensor, no_grad};
use trommel_checkpoint::Checkpoint;
use trommel_engine::worker::protocol::Failure;
use trommel_media::RgbImage;
use trommel_text::ClipTokenizer;

use super::columns::text_column;
use super::error::words;
use super::images::Images;
use super::{Precision, WorkError, config_json, in_model, parallel, read_settings};
use crate::device;
use crate::models::clip::{Clip, ClipConfig};
use crate::models::layers::normalise;
use crate::weights;

/// The configuration of the kinds that use CLIP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The checkpoint's folder, absolute.
    model: PathBuf,
    #[serde(default = "f32")]
    precision: Precision,
    /// Rows computed at a time. Changes nothing but memory and time.
    batch_size: Option<NonZero<usize>>,
}

fn f32() -> Precision {
    Precision::F32
}

const BATCH_ON_CPU: usize = 32;
const BATCH_ON_GPU: usize = 128;

/// A loaded checkpoint.
pub(super) struct ClipModel {
    clip: Clip,
    texts: Texts,
    images: Images,
    kind: Kind,
    device: Device,
    batch: usize,
    threads: NonZero<usize>,
    /// Components of an embedding.
    pub(super) width: usize,
}

/// The tokenizer, and what its ids must be below. Can be shared between threads, which a model cannot.
struct Texts {
    tokenizer: ClipTokenizer,
    vocabulary: i64,
}

/// The embeddings of some rows, each of length 1. Rows that are not `valid` hold zeros.
pub(super) struct Pairs {
    /// `rows * width` numbers each.
    pub(super) images: Vec<f32>,
    pub(super) texts: Vec<f32>,
    pub(super) valid: Vec<bool>,
    pub(super) failed: Vec<Failure>,
}

impl ClipModel {
    pub(super) fn open(
        kind: &'static str,
        config: Json,
        device: Device,
    ) -> Result<Self, WorkError> {
        let settings: Settings = read_settings(kind, config)?;
        let folder: &Path = &settings.model;
        let config = ClipConfig::from_json(&config_json(folder)?).map_err(in_model(folder))?;
        let positions = config.text.max_position_embeddings as usize;
        let checkpoint = Checkpoint::open(folder).map_err(in_model(folder))?;
        let kind = settings.precision.kind();
        let usual = if device == Device::Cpu {
            BATCH_ON_CPU
        } else {
            BATCH_ON_GPU
        };
        Ok(Self {
            texts: Texts {
                tokenizer: ClipTokenizer::load(folder, positions).map_err(in_model(folder))?,
                vocabulary: config.text.vocab_size,
            },
            images: Images::load(folder, &config.vision, false)?,
            clip: weights::build(&checkpoint, kind, device, |w| Clip::load(w, &config))
                .map_err(in_model(folder))?,
            kind,
            device,
            batch: settings.batch_size.map_or(usual, NonZero::get),
            threads: device::threads()?,
            width: config.projection_dim as usize,
        })
    }

    /// Embeds `image` (the path of a file) and `text` of every row that has both. A row whose image or text cannot be used
    /// has failed.
    pub(super) fn pairs(&self, rows: &RecordBatch) -> Result<Pairs, WorkError> {
        let (paths, texts) = (text_column(rows, "image")?, text_column(rows, "text")?);
        let whole: Vec<usize> = (0..rows.num_rows())
            .filter(|&row| paths.is_valid(row) && texts.is_valid(row))
            .collect();
        let mut pairs = Pairs {
            images: vec![0.0; rows.num_rows() * self.width],
            texts: vec![0.0; rows.num_rows() * self.width],
            valid: vec![false; rows.num_rows()],
            failed: Vec::new(),
        };
        let words = &self.texts;
        let tokens = parallel::map(&whole, self.threads, |&row| words.tokens(texts.value(row)));
        let mut readable = Vec::new();
        for (&row, tokens) in whole.iter().zip(tokens) {
            match tokens {
                Ok(tokens) => readable.push((row, tokens)),
                Err(reason) => pairs.failed.push(Failure { row, reason }),
            }
        }

        let mut places = HashMap::new();
        let mut files = Vec::new();
        for (row, _) in &readable {
            places.entry(paths.value(*row)).or_insert_with(|| {
                files.push(paths.value(*row));
                files.len() - 1
            });
        }
        let embedded = self.embed_files(&files);
        let mut complete = Vec::new();
        for (row, tokens) in readable {
            match &embedded[places[paths.value(row)]] {
                Ok(embedding) => {
                    pairs.images[row * self.width..][..self.width].copy_from_slice(embedding);
                    complete.push((row, tokens));
                }
                Err(reason) => pairs.failed.push(Failure {
                    row,
                    reason: reason.clone(),
                }),
            }
        }
        self.embed_texts(complete, &mut pairs);
        pairs.refuse_infinite(self.width, &paths);
        pairs.failed.sort_by_key(|failure| failure.row);
        Ok(pairs)
    }

    /// Each image's embedding, or why there is none. Files are read by other threads while this one computes.
    fn embed_files(&self, files: &[&str]) -> Vec<Result<Vec<f32>, String>> {
        let mut found: Vec<Result<Vec<f32>, String>> = vec![Ok(Vec::new()); files.len()];
        let mut waiting: Vec<(usize, RgbImage)> = Vec::new();
        let embed = |waiting: &mut Vec<(usize, RgbImage)>,
                     found: &mut Vec<Result<Vec<f32>, String>>| {
            let crops = waiting.iter().map(|(_, crop)| self.images.pixels(crop));
            let pixels = Tensor::stack(&crops.collect::<Vec<_>>(), 0);
            let pixels = pixels.to_device(self.device).to_kind(self.kind);
            let flat = unit(&no_grad(|| self.clip.image_features(&pixels)));
            for ((file, _), row) in waiting.drain(..).zip(flat.chunks(self.width)) {
                found[file] = Ok(row.to_vec());
            }
        };
        let images = &self.images;
        let Ok(()) = parallel::in_order(
            files,
            self.threads,
            |file| images.read(file),
            |file, read| {
                match read {
                    Ok(crop) => waiting.push((file, crop)),
                    Err(reason) => found[file] = Err(reason),
                }
                if waiting.len() == self.batch {
                    embed(&mut waiting, &mut found);
                }
                Ok::<(), std::convert::Infallible>(())
            },
        );
        if !waiting.is_empty() {
            embed(&mut waiting, &mut found);
        }
        found
    }

    /// Texts of like length go together, so that little is computed on padding.
    fn embed_texts(&self, mut rows: Vec<(usize, Vec<i64>)>, pairs: &mut Pairs) {
        rows.sort_by_key(|(_, tokens)| tokens.len());
        for batch in rows.chunks(self.batch) {
            let longest = batch.last().map_or(0, |(_, tokens)| tokens.len());
            let padded: Vec<i64> = batch
                .iter()
                .flat_map(|(_, tokens)| {
                    let missing = longest - tokens.len();
                    tokens
                        .iter()
                        .copied()
                        .chain(std::iter::repeat_n(0, missing))
                })
                .collect();
            let lengths: Vec<i64> = batch.iter().map(|(_, t)| t.len() as i64).collect();
            let ids = Tensor::from_slice(&padded)
                .view([batch.len() as i64, longest as i64])
                .to_device(self.device);
            let lengths = Tensor::from_slice(&lengths).to_device(self.device);
            let flat = unit(&no_grad(|| self.clip.text_features(&ids, &lengths)));
            for ((row, _), embedding) in batch.iter().zip(flat.chunks(self.width)) {
                pairs.texts[row * self.width..][..self.width].copy_from_slice(embedding);
                pairs.valid[*row] = true;
            }
        }
    }
}

impl Texts {
    fn tokens(&self, text: &str) -> Result<Vec<i64>, String> {
        let ids = self
            .tokenizer
            .encode(text)
            .map_err(|error| format!("the text: {}", words(&error)))?;
        if ids.is_empty() {
            return Err("the text has no tokens".into());
        }
        match ids.iter().find(|&&id| !(0..self.vocabulary).contains(&id)) {
            None => Ok(ids),
            Some(id) => Err(format!(
                "the text holds token {id}, outside of the model's vocabulary of {}: does the tokenizer belong to it?",
                self.vocabulary
            )),
        }
    }
}

impl Pairs {
    /// An embedding of no length, or one that overflowed, is no embedding.
    fn refuse_infinite(&mut self, width: usize, paths: &arrow::array::StringArray) {
        for row in 0..self.valid.len() {
            let places = row * width..(row + 1) * width;
            let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
            if finite(&self.images[places.clone()]) && finite(&self.texts[places.clone()]) {
                continue;
            }
            self.images[places.clone()].fill(0.0);
            self.texts[places].fill(0.0);
            self.valid[row] = false;
            self.failed.push(Failure {
                row,
                reason: format!(
                    "{}: the embedding of the image or of its text is not finite",
                    paths.value(row)
                ),
            });
        }
    }
}

/// `[B, width]`, each row scaled to length 1 in float32.
fn unit(features: &Tensor) -> Vec<f32> {
    let unit = normalise(&features.to_kind(Kind::Float))
        .to_device(Device::Cpu)
        .contiguous();
    let mut values = vec![0f32; unit.numel()];
    unit.copy_data(&mut values, unit.numel());
    values
}
