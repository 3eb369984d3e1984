//! What can keep a training run from starting or going on.

use std::error::Error;

use thiserror::Error as ThisError;

use super::memory::in_bytes;

#[derive(Debug, ThisError)]
pub enum TrainError {
    #[error("there are no samples to train on")]
    NoSamples,
    #[error("sample {unique_idx}: {ids} token ids but {labels} labels")]
    LabelCount {
        unique_idx: u64,
        ids: usize,
        labels: usize,
    },
    #[error(
        "sample {unique_idx}: token id {id} is outside of the model's vocabulary of {vocabulary}: does the tokenizer belong to it?"
    )]
    Vocabulary {
        unique_idx: u64,
        id: i32,
        vocabulary: i64,
    },
    #[error("sample {unique_idx} holds the image token but has no image")]
    NoImage { unique_idx: u64 },
    #[error("unique_idx {unique_idx} occurs twice among the samples")]
    Twice { unique_idx: u64 },
    #[error("feature {feature:?} has {found} rows for {expected} samples")]
    FeatureRows {
        feature: String,
        found: usize,
        expected: usize,
    },
    #[error(
        "feature {feature:?} is missing or not finite for {count} samples, the first at unique_idx {first:?}: fill it or leave them out"
    )]
    FeatureValues {
        feature: String,
        count: usize,
        first: Vec<u64>,
    },
    #[error("no feature was given: the score net needs at least one number per sample")]
    NoFeatures,
    #[error(
        "the initial score net has {found} weights, but the features have {expected} components"
    )]
    ScoreNet { found: usize, expected: usize },
    #[error("order: batch {batch} is empty")]
    EmptyBatch { batch: usize },
    #[error("order: batch {batch} names unique_idx {unique_idx}, which no sample has")]
    UnknownSample { batch: usize, unique_idx: u64 },
    #[error("{setting} is {value}, expected {expected}")]
    Setting {
        setting: &'static str,
        value: String,
        expected: &'static str,
    },
    #[error("the vision tower has {layers} layers and so no hidden state {wanted}")]
    VisionLayer { layers: i64, wanted: i64 },
    #[error("the projector reads features of width {projector}, the vision tower gives {tower}")]
    VisionWidth { projector: i64, tower: i64 },
    #[error("image {image}: {source}")]
    Pixels {
        image: usize,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("images came as pixels of shape {found:?}, the vision tower takes {expected:?}")]
    PixelShape { found: Vec<i64>, expected: Vec<i64> },
    #[error(
        "the {what} is not finite in step {step}, whose batch holds unique_idx {}: the learning rate may be too high, or the \
         precision too low",
        list(unique_idx)
    )]
    NotFinite {
        what: &'static str,
        step: usize,
        unique_idx: Vec<u64>,
    },
    #[error(
        "training needs {} beside the weights and {} are free: {parts}",
        in_bytes(*needed),
        in_bytes(*available)
    )]
    Memory {
        needed: u64,
        available: u64,
        parts: String,
    },
    #[error("the saved state is not of this run: {reason}")]
    State { reason: String },
}

fn list(numbers: &[u64]) -> String {
    let words: Vec<String> = numbers.iter().map(u64::to_string).collect();
    words.join(", ")
}
