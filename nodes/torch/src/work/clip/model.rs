//! A checkpoint's two towers, on a device and in a precision.

use tch::{Device, Kind, Tensor, no_grad};
use trommel_media::RgbImage;

use super::checkpoint::Towers;
use crate::device;
use crate::models::layers::normalise;
use crate::work::Precision;
use crate::work::images::Images;

pub(super) struct Model {
    pub(super) towers: Box<dyn Towers>,
    pub(super) precision: Precision,
    pub(super) device: Device,
}

impl Model {
    /// The embeddings of some images, `[images, width]`, each of length 1, in float32.
    pub(super) fn images(&self, images: &Images, crops: &[RgbImage]) -> Tensor {
        let pixels = images
            .batch(crops, self.device)
            .to_kind(self.precision.kind());
        unit(&no_grad(|| self.towers.image_features(&pixels)))
    }

    /// The embeddings of some texts, `[texts, width]`, each of length 1, in float32. Shorter ones are filled up.
    pub(super) fn texts(&self, texts: &[Vec<i64>]) -> Tensor {
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(texts.len() * longest);
        for text in texts {
            ids.extend_from_slice(text);
            ids.resize(ids.len() + longest - text.len(), 0);
        }
        let lengths: Vec<i64> = texts.iter().map(|text| text.len() as i64).collect();
        let ids = Tensor::from_slice(&ids).view([texts.len() as i64, longest as i64]);
        let ids = device::send(&ids, self.device);
        let lengths = device::send(&Tensor::from_slice(&lengths), self.device);
        unit(&no_grad(|| self.towers.text_features(&ids, &lengths)))
    }
}

fn unit(features: &Tensor) -> Tensor {
    no_grad(|| normalise(&features.to_kind(Kind::Float)))
}
