//! Embeddings on their way from the device.

use std::sync::Arc;

use tch::{Device, Tensor};

/// The components of one embedding.
pub(super) type Embedding = Arc<[f32]>;

/// An embedding, or what is wrong.
pub(super) type Found = Result<Embedding, String>;

/// Batches that a model computes one after the other. Numbers are fetched only when the last batch has been handed over: each
/// fetch would wait for all that a GPU has been given to do.
pub(super) struct Batches<K> {
    keys: Vec<K>,
    embeddings: Vec<Tensor>,
}

impl<K> Batches<K> {
    pub(super) fn new() -> Self {
        Self {
            keys: Vec::new(),
            embeddings: Vec::new(),
        }
    }

    /// `embeddings` `[keys, width]`, float32.
    pub(super) fn start(&mut self, keys: impl IntoIterator<Item = K>, embeddings: Tensor) {
        self.keys.extend(keys);
        self.embeddings.push(embeddings);
    }

    /// The embedding under each key.
    pub(super) fn finish(self) -> impl Iterator<Item = (K, Found)> {
        let mut values = Vec::new();
        let mut width = 1;
        if !self.keys.is_empty() {
            let all = Tensor::cat(&self.embeddings, 0)
                .to_device(Device::Cpu)
                .contiguous();
            values.resize(all.numel(), 0f32);
            all.copy_data(&mut values, all.numel());
            width = values.len() / self.keys.len();
        }
        let rows: Vec<Found> = values.chunks(width).map(checked).collect();
        self.keys.into_iter().zip(rows)
    }
}

/// An embedding of no length, or one that overflowed, is no embedding.
fn checked(values: &[f32]) -> Found {
    if values.iter().all(|value| value.is_finite()) {
        Ok(values.into())
    } else {
        Err("its embedding is not finite".into())
    }
}
