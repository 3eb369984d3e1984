//! Image files, by their contents: each content is decoded and embedded once.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use trommel_engine::table::Digest;
use trommel_media::RgbImage;

use super::batches::{Batches, Embedding, Found};
use super::model::Model;
use crate::work::images::Images;
use crate::work::recent::Recent;

/// How images are read, and the embeddings of those seen before. Can be shared between threads.
pub(super) struct Files {
    images: Images,
    known: Mutex<Recent<Digest, Embedding>>,
}

/// The files of one request: which contents somebody reads already.
pub(super) struct Reader<'a> {
    files: &'a Files,
    taken: Mutex<HashSet<Digest>>,
}

/// What a file holds.
pub(super) enum Read {
    /// It cannot be read; the reason names it.
    Unreadable(String),
    /// Its embedding is known from an earlier request.
    Known(Embedding),
    /// The bytes of another file of this request.
    Twin(Digest),
    /// The part that the model sees, or why there is none.
    New(Digest, Result<RgbImage, String>),
}

impl Files {
    /// Remembers the embeddings of `room` images.
    pub(super) fn new(images: Images, room: usize) -> Self {
        Self {
            images,
            known: Mutex::new(Recent::new(room)),
        }
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            files: self,
            taken: Mutex::new(HashSet::new()),
        }
    }

    /// The embedding of each file. `read` gives what they hold, in their order.
    pub(super) fn embed(
        &self,
        model: &Model,
        paths: &[&str],
        read: impl Iterator<Item = Read>,
        batch: usize,
    ) -> Vec<Found> {
        let mut unusable = HashMap::new();
        let mut batches = Batches::new();
        let (mut digests, mut crops) = (Vec::new(), Vec::new());
        let mut seen = Vec::with_capacity(paths.len());
        for read in read {
            seen.push(match read {
                Read::Unreadable(reason) => Seen::Done(Err(reason)),
                Read::Known(embedding) => Seen::Done(Ok(embedding)),
                Read::Twin(digest) => Seen::Content(digest),
                Read::New(digest, Ok(crop)) => {
                    digests.push(digest);
                    crops.push(crop);
                    Seen::Content(digest)
                }
                Read::New(digest, Err(reason)) => {
                    unusable.insert(digest, Err(reason));
                    Seen::Content(digest)
                }
            });
            if crops.len() == batch {
                batches.start(digests.drain(..), model.images(&self.images, &crops));
                crops.clear();
            }
        }
        if !crops.is_empty() {
            batches.start(digests, model.images(&self.images, &crops));
        }
        let mut found: HashMap<Digest, Found> = batches.finish().collect();
        let mut known = lock(&self.known);
        for (digest, embedding) in &found {
            if let Ok(embedding) = embedding {
                known.put(*digest, embedding.clone());
            }
        }
        found.extend(unusable);
        let embedding = |(path, seen): (&&str, Seen)| match seen {
            Seen::Done(embedding) => embedding,
            Seen::Content(digest) => found[&digest]
                .clone()
                .map_err(|reason| format!("{path}: {reason}")),
        };
        paths.iter().zip(seen).map(embedding).collect()
    }
}

/// What is known of a file before its contents are embedded.
enum Seen {
    Done(Found),
    Content(Digest),
}

impl Reader<'_> {
    pub(super) fn read(&self, path: &str) -> Read {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return Read::Unreadable(format!("cannot read {path}: {error}")),
        };
        let digest = Digest::of_bytes(&bytes);
        if let Some(embedding) = lock(&self.files.known).get(&digest) {
            return Read::Known(embedding);
        }
        if lock(&self.taken).insert(digest) {
            Read::New(digest, self.files.images.crop(&bytes))
        } else {
            Read::Twin(digest)
        }
    }
}

/// What a thread that panicked left is whole: each holder makes one change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
