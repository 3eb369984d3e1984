//! `score.image_reward`: how well people would like a row's image as the picture of its text. Xu et al. 2023, arXiv 2304.05977.

use std::collections::HashMap;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float32Array, RecordBatch, StringArray};
use serde::Deserialize;
use serde_json::Value as Json;
use tch::{Device, Tensor, no_grad};
use trommel_checkpoint::{Checkpoint, CheckpointError};
use trommel_engine::worker::protocol::Failure;
use trommel_media::{RgbImage, Tables, crop_in_own_mode, torchvision_tables};
use trommel_text::BertTokenizer;

use super::columns::text_column;
use super::error::words;
use super::{Precision, RowAnswer, RowWork, Session, WorkError, in_model, parallel, read_settings};
use crate::device;
use crate::models::blip::{
    BlipConfig, BlipTextConfig, BlipVisionConfig, ImageReward, MOST_TOKENS, PIXEL_MEAN, PIXEL_STD,
    Texts,
};
use crate::weights;

#[cfg(test)]
mod tests;

const KIND: &str = "score.image_reward";
const COLUMN: &str = "image_reward";
/// The names that its weights are published under, in the order of preference.
const WEIGHTS: [&str; 2] = ["ImageReward.safetensors", "ImageReward.pt"];
/// Some 1,000 tokens, which fill the processors and whose states stay in their caches.
const BATCH_ON_CPU: usize = 5;
const BATCH_ON_GPU: usize = 128;
/// Texts are short: so many make a batch, however few images do.
const TEXTS: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The model's folder, absolute.
    model: PathBuf,
    #[serde(default)]
    precision: Precision,
    /// Images computed at a time. Changes nothing but memory and time.
    batch_size: Option<NonZero<usize>>,
}

struct ScoreImageReward {
    model: ImageReward,
    reader: Reader,
    precision: Precision,
    device: Device,
    batch: usize,
    threads: NonZero<usize>,
}

/// Makes files and texts ready for the model. Can be shared between threads, which a model cannot.
struct Reader {
    tokenizer: BertTokenizer,
    tables: Tables,
    /// Height and width that the model takes.
    side: usize,
}

/// An image and the texts of the rows that have it.
struct Sample {
    crop: RgbImage,
    texts: Vec<(usize, Vec<i64>)>,
}

pub(super) fn open(config: Json, device: Device) -> Result<Session, WorkError> {
    let settings: Settings = read_settings(KIND, config)?;
    let folder: &Path = &settings.model;
    let config = read_config(folder)?;
    let reader = Reader {
        tokenizer: BertTokenizer::load(folder, MOST_TOKENS).map_err(in_model(folder))?,
        tables: torchvision_tables(PIXEL_MEAN, PIXEL_STD),
        side: config.vision.image_size as usize,
    };
    check_text_sizes(folder, &config.text, reader.tokenizer.largest_id())?;
    let checkpoint = Checkpoint::open(&find_weights(folder)?).map_err(in_model(folder))?;
    let kind = settings.precision.kind();
    let model = weights::build(&checkpoint, kind, device, |w| ImageReward::load(w, &config))
        .map_err(in_model(folder))?;
    let usual = if device == Device::Cpu {
        BATCH_ON_CPU
    } else {
        BATCH_ON_GPU
    };
    Ok(Session::Rows(Box::new(ScoreImageReward {
        model,
        reader,
        precision: settings.precision,
        device,
        batch: settings.batch_size.map_or(usual, NonZero::get),
        threads: device::threads()?,
    })))
}

fn read_config(folder: &Path) -> Result<BlipConfig, WorkError> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).map_err(|source| WorkError::Read { path, source })
    };
    let text = BlipTextConfig::from_json(&read("med_config.json")?).map_err(in_model(folder))?;
    // The published model has no such file: its sizes are the default.
    let vision = if folder.join("vit_config.json").exists() {
        BlipVisionConfig::from_json(&read("vit_config.json")?).map_err(in_model(folder))?
    } else {
        BlipVisionConfig::default()
    };
    Ok(BlipConfig { vision, text })
}

/// An id or a position without an embedding must not be met in the middle of the rows.
fn check_text_sizes(
    folder: &Path,
    config: &BlipTextConfig,
    largest_id: i64,
) -> Result<(), WorkError> {
    let (size, positions) = (config.vocab_size, config.max_position_embeddings);
    let reason = if largest_id >= size {
        format!(
            "vocab.txt and the two tokens [DEC] and [ENC] give ids up to {largest_id}, but med_config.json has a vocab_size of \
             {size}: does the vocabulary belong to this model?"
        )
    } else if (positions as usize) < MOST_TOKENS {
        format!(
            "med_config.json: max_position_embeddings is {positions}, but texts have up to {MOST_TOKENS} tokens"
        )
    } else {
        return Ok(());
    };
    Err(WorkError::Model {
        folder: folder.to_owned(),
        source: reason.into(),
    })
}

fn find_weights(folder: &Path) -> Result<PathBuf, WorkError> {
    let mut places = WEIGHTS.iter().map(|name| folder.join(name));
    places.find(|path| path.exists()).ok_or_else(|| {
        in_model(folder)(CheckpointError::NoneInFolder {
            folder: folder.to_owned(),
            looked_for: WEIGHTS.join(", "),
        })
    })
}

impl RowWork for ScoreImageReward {
    fn rows(&mut self, rows: &RecordBatch) -> Result<RowAnswer, WorkError> {
        let _held = self.precision.allow(self.device)?;
        let (paths, texts) = (text_column(rows, "image")?, text_column(rows, "text")?);
        let images = rows_of_images(&paths, &texts);
        let mut failed = Vec::new();
        let mut waiting = Vec::new();
        // Rewards are fetched after all has been handed to the device, which so never waits for that.
        let mut running = Vec::new();
        // Files are read by other threads while this one computes.
        let Ok(()) = parallel::in_order(
            &images,
            self.threads,
            |(path, rows)| self.reader.read(path, rows, &texts),
            |image, read| {
                match read {
                    Ok(sample) => waiting.push(sample),
                    Err(reason) => failed.extend(images[image].1.iter().map(|&row| Failure {
                        row,
                        reason: reason.clone(),
                    })),
                }
                if waiting.len() == self.batch {
                    running.push(self.score(&std::mem::take(&mut waiting)));
                }
                Ok::<(), std::convert::Infallible>(())
            },
        );
        if !waiting.is_empty() {
            running.push(self.score(&waiting));
        }
        let mut scores = vec![None; rows.num_rows()];
        for (places, rewards) in running {
            for (row, reward) in places.into_iter().zip(to_vec(&rewards)) {
                if reward.is_finite() {
                    scores[row] = Some(reward);
                } else {
                    let reason = format!("{}: the reward is not finite", paths.value(row));
                    failed.push(Failure { row, reason });
                }
            }
        }
        failed.sort_by_key(|failure| failure.row);
        let scores: ArrayRef = Arc::new(Float32Array::from(scores));
        let columns = RecordBatch::try_from_iter_with_nullable([(COLUMN, scores, true)])?;
        Ok(RowAnswer { columns, failed })
    }
}

/// Each different image, with the rows that have it and a text.
fn rows_of_images<'a>(paths: &'a StringArray, texts: &StringArray) -> Vec<(&'a str, Vec<usize>)> {
    let mut places = HashMap::new();
    let mut images: Vec<(&str, Vec<usize>)> = Vec::new();
    for (row, path) in paths.iter().enumerate() {
        if let Some(path) = path.filter(|_| texts.is_valid(row)) {
            let place = *places.entry(path).or_insert(images.len());
            if place == images.len() {
                images.push((path, Vec::new()));
            }
            images[place].1.push(row);
        }
    }
    images
}

impl ScoreImageReward {
    /// The rows of some images' texts, and as many rewards.
    fn score(&self, samples: &[Sample]) -> (Vec<usize>, Tensor) {
        let crops = samples
            .iter()
            .map(|sample| self.reader.pixels(&sample.crop));
        let pixels = Tensor::stack(&crops.collect::<Vec<_>>(), 0)
            .to_device(self.device)
            .to_kind(self.precision.kind());
        let mut texts: Vec<(i64, usize, &[i64])> = Vec::new();
        for (image, sample) in samples.iter().enumerate() {
            texts.extend(
                sample
                    .texts
                    .iter()
                    .map(|(row, ids)| (image as i64, *row, &ids[..])),
            );
        }
        // Texts of like length go together, so that little is computed on what fills them up.
        texts.sort_by_key(|(_, _, ids)| ids.len());
        let batches: Vec<Texts> = texts
            .chunks(self.batch.max(TEXTS))
            .map(|texts| self.batch_of(texts))
            .collect();
        let rewards = no_grad(|| {
            let images = self.model.vision.states(&pixels);
            self.model.rewards(&images, &batches)
        });
        (texts.iter().map(|(_, row, _)| *row).collect(), rewards)
    }

    /// `texts` by length, the longest last.
    fn batch_of(&self, texts: &[(i64, usize, &[i64])]) -> Texts {
        let longest = texts.last().map_or(0, |(_, _, ids)| ids.len());
        let mut ids = Vec::with_capacity(texts.len() * longest);
        for (_, _, text) in texts {
            ids.extend_from_slice(text);
            ids.resize(ids.len() + longest - text.len(), 0);
        }
        Texts {
            ids: Tensor::from_slice(&ids)
                .view([texts.len() as i64, longest as i64])
                .to_device(self.device),
            lengths: texts.iter().map(|(_, _, ids)| ids.len() as i64).collect(),
            images: texts.iter().map(|(image, _, _)| *image).collect(),
        }
    }
}

impl Reader {
    fn read(&self, path: &str, rows: &[usize], texts: &StringArray) -> Result<Sample, String> {
        let bytes = fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
        let crop = crop_in_own_mode(&bytes, self.side);
        let tokens = |&row: &usize| (row, self.tokenizer.encode(texts.value(row)));
        Ok(Sample {
            crop: crop.map_err(|error| format!("{path}: {}", words(&error)))?,
            texts: rows.iter().map(tokens).collect(),
        })
    }

    /// `[3, H, W]`, float32.
    fn pixels(&self, crop: &RgbImage) -> Tensor {
        let side = self.side as i64;
        Tensor::from_slice(&self.tables.normalise(crop)).view([3, side, side])
    }
}

fn to_vec(rewards: &Tensor) -> Vec<f32> {
    let rewards = rewards.to_device(Device::Cpu).contiguous();
    let mut values = vec![0f32; rewards.numel()];
    rewards.copy_data(&mut values, rewards.numel());
    values
}
