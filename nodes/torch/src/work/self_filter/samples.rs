//! Records as the trainer takes them: token ids and labels, and numbers for the images.

use std::collections::HashMap;
use std::num::NonZero;

use trommel_text::{IMAGE_TOKEN, Sample as Tokens, tokenize_sample};

use super::models::Models;
use super::records::{Record, Records};
use super::settings::Settings;
use crate::train::Sample;
use crate::work::error::words;
use crate::work::{Events, WorkError, parallel};

pub(super) struct Samples {
    pub(super) samples: Vec<Sample>,
    pub(super) images: Vec<ImageFile>,
}

/// An image that is looked at in training.
pub(super) struct ImageFile {
    pub(super) path: String,
    /// The first record that shows it.
    pub(super) unique_idx: u64,
}

impl Samples {
    pub(super) fn make(
        records: &Records,
        models: &Models,
        settings: &Settings,
        threads: NonZero<usize>,
        events: &mut dyn Events,
    ) -> Result<Self, WorkError> {
        let tokenizer = &models.tokenizer;
        let tokenized = parallel::map(&records.rows, threads, |record| {
            let (template, limit) = (settings.prompt, settings.max_length);
            let has_image = record.image.is_some();
            tokenize_sample(tokenizer, template, &record.turns, has_image, limit)
        });
        let mut made = Self {
            samples: Vec::with_capacity(records.rows.len()),
            images: Vec::new(),
        };
        let mut places = HashMap::new();
        let (mut mismatched, mut wrong) = (Vec::new(), Vec::new());
        for (record, tokens) in records.rows.iter().zip(tokenized) {
            match tokens {
                Err(error) => {
                    wrong.push(format!(
                        "unique_idx {}: {}",
                        record.unique_idx,
                        words(&error)
                    ));
                }
                Ok(tokens) => {
                    if tokens.mismatch {
                        mismatched.push(record.unique_idx);
                    }
                    made.add(record, tokens, settings.max_length, &mut places);
                }
            }
        }
        if !wrong.is_empty() {
            let count = wrong.len();
            wrong.truncate(WorkError::SHOWN);
            return Err(WorkError::Rows {
                what: "conversations cannot be trained on",
                count,
                first: wrong,
            });
        }
        if let Some(first) = mismatched.first() {
            events.warning(format!(
                "{} of {} records teach nothing: their tokens do not fall into rounds as the prompt does, so none of them has \
                 a label, as in the published program (the first is unique_idx {first})",
                mismatched.len(),
                made.samples.len(),
            ))?;
        }
        Ok(made)
    }

    fn add<'a>(
        &mut self,
        record: &'a Record,
        tokens: Tokens,
        limit: usize,
        places: &mut HashMap<&'a str, usize>,
    ) {
        // An image without a place in the text is not looked at.
        let shown = tokens.ids.iter().take(limit).any(|&id| id == IMAGE_TOKEN);
        let image = record.image.as_deref().filter(|_| shown).map(|path| {
            *places.entry(path).or_insert_with(|| {
                self.images.push(ImageFile {
                    path: path.to_owned(),
                    unique_idx: record.unique_idx,
                });
                self.images.len() - 1
            })
        });
        // Where the only place is beyond the limit, what is beyond it is left out here: the sample has no image then.
        let length = if shown { tokens.ids.len() } else { limit };
        // An id that is no i32 is none of any vocabulary, which the trainer says.
        let narrow = |ids: Vec<i64>| {
            let ids = ids.into_iter().take(length);
            ids.map(|id| i32::try_from(id).unwrap_or(i32::MAX))
                .collect()
        };
        self.samples.push(Sample {
            unique_idx: record.unique_idx,
            ids: narrow(tokens.ids),
            labels: narrow(tokens.labels),
            image,
        });
    }
}
