//! Texts as token ids, and the embeddings of those seen before.

use std::collections::{HashMap, HashSet};
use std::num::NonZero;

use trommel_text::TextError;

use super::batches::{Batches, Embedding, Found};
use super::model::Model;
use crate::work::error::words;
use crate::work::parallel;
use crate::work::recent::Recent;

/// A tokenizer. Can be shared between threads.
pub(super) type Encode = Box<dyn Fn(&str) -> Result<Vec<i64>, TextError> + Send + Sync>;

pub(super) struct Words {
    encode: Encode,
    /// What ids must be below.
    vocabulary: i64,
    /// Texts are cut to the model's limit, so long ones that begin alike are one.
    known: Recent<Vec<i64>, Embedding>,
}

/// The texts of a request, while a model computes their embeddings.
pub(super) struct Started {
    /// Of each text.
    ids: Vec<Result<Vec<i64>, String>>,
    found: HashMap<Vec<i64>, Found>,
    batches: Batches<Vec<i64>>,
}

impl Words {
    pub(super) fn new(encode: Encode, vocabulary: i64, room: usize) -> Self {
        Self {
            encode,
            vocabulary,
            known: Recent::new(room),
        }
    }

    /// Texts of like length go together, so that little is computed on padding.
    pub(super) fn start(
        &mut self,
        model: &Model,
        texts: &[&str],
        batch: usize,
        threads: NonZero<usize>,
    ) -> Started {
        let (encode, vocabulary) = (&self.encode, self.vocabulary);
        let ids = parallel::map(texts, threads, |text| ids(encode, vocabulary, text));
        let mut found = HashMap::new();
        let mut fresh = HashSet::new();
        for ids in ids.iter().flatten() {
            match self.known.get(ids) {
                Some(embedding) => drop(found.insert(ids.clone(), Ok(embedding))),
                None => drop(fresh.insert(ids.clone())),
            }
        }
        let mut fresh: Vec<Vec<i64>> = fresh.into_iter().collect();
        // By the ids as well, so that the batches do not depend on the order within a set.
        fresh.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        let mut batches = Batches::new();
        for batch in fresh.chunks(batch) {
            batches.start(batch.iter().cloned(), model.texts(batch));
        }
        Started {
            ids,
            found,
            batches,
        }
    }

    /// The embedding of each text.
    pub(super) fn finish(&mut self, started: Started) -> Vec<Found> {
        let mut found = started.found;
        for (ids, embedding) in started.batches.finish() {
            if let Ok(embedding) = &embedding {
                self.known.put(ids.clone(), embedding.clone());
            }
            found.insert(
                ids,
                embedding.map_err(|reason| format!("the text: {reason}")),
            );
        }
        let ids = started.ids.into_iter();
        ids.map(|ids| found[&ids?].clone()).collect()
    }
}

fn ids(encode: &Encode, vocabulary: i64, text: &str) -> Result<Vec<i64>, String> {
    let ids = encode(text).map_err(|error| format!("the text: {}", words(&error)))?;
    if ids.is_empty() {
        return Err("the text has no tokens".into());
    }
    match ids.iter().find(|&&id| !(0..vocabulary).contains(&id)) {
        None => Ok(ids),
        Some(id) => Err(format!(
            "the text holds token {id}, outside of the model's vocabulary of {vocabulary}: does the tokenizer belong to it?"
        )),
    }
}
