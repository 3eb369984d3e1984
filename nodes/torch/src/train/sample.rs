//! A sample as the trainer takes it, and what must hold of a list of them.

use std::collections::HashMap;

use super::TrainError;
use crate::models::llava::{IGNORED, IMAGE_TOKEN};

/// One sample, tokenised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub unique_idx: u64,
    /// Token ids with [`IMAGE_TOKEN`] for the image.
    pub ids: Vec<i32>,
    /// One for each id; [`IGNORED`] where nothing is learnt.
    pub labels: Vec<i32>,
    /// The image's number at the pixel source. Samples may share one.
    pub image: Option<usize>,
}

/// Where each `unique_idx` stands in the list.
pub(super) fn check_samples(
    samples: &[Sample],
    vocabulary: i64,
) -> Result<HashMap<u64, usize>, TrainError> {
    if samples.is_empty() {
        return Err(TrainError::NoSamples);
    }
    let mut positions = HashMap::with_capacity(samples.len());
    for (position, sample) in samples.iter().enumerate() {
        let (unique_idx, ids, labels) = (sample.unique_idx, &sample.ids, &sample.labels);
        if positions.insert(unique_idx, position).is_some() {
            return Err(TrainError::Twice { unique_idx });
        }
        if ids.len() != labels.len() {
            return Err(TrainError::LabelCount {
                unique_idx,
                ids: ids.len(),
                labels: labels.len(),
            });
        }
        if sample.image.is_none() && ids.contains(&IMAGE_TOKEN) {
            return Err(TrainError::NoImage { unique_idx });
        }
        let words = ids.iter().filter(|&&id| id != IMAGE_TOKEN);
        let labels = labels.iter().filter(|&&label| label != IGNORED);
        if let Some(&id) = words
            .chain(labels)
            .find(|&&id| !(0..vocabulary).contains(&i64::from(id)))
        {
            return Err(TrainError::Vocabulary {
                unique_idx,
                id,
                vocabulary,
            });
        }
    }
    Ok(positions)
}
