//! LLaVA: image patches, projected into a language model's embedding space and read by it like words. Liu et al. 2023,
//! arXiv 2304.08485.
//!
//! The vision tower is not part of this: it is frozen, and its patch features come in as tensors.

use tch::{Device, Kind, Tensor};

use super::Parameter;
use super::llama::{Llama, Packing};
use crate::weights::Weights;

mod projector;
mod settings;
pub use projector::Projector;
pub use settings::{ImageAspect, LlavaConfig};

/// The token id that stands for the patches of the sample's image.
pub const IMAGE_TOKEN: i32 = -200;
/// The label of a position that teaches nothing.
pub const IGNORED: i32 = -100;

/// A language model and the projector of image features into its embedding space.
#[derive(Debug)]
pub struct Llava {
    pub llama: Llama,
    pub projector: Projector,
}

/// One sample as the model reads it.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Token ids, [`IMAGE_TOKEN`] where the image stands.
    pub ids: &'a [i32],
    /// As many as `ids`; [`IGNORED`] where nothing is learnt.
    pub labels: &'a [i32],
    /// Patch features `[patches, vision width]`. Required where `ids` holds [`IMAGE_TOKEN`], which is otherwise left out.
    pub image: Option<&'a Tensor>,
}

/// Samples laid end to end, each image token replaced by its patches and each sample cut to a maximal length.
#[derive(Debug)]
pub struct PackedBatch {
    /// Tokens (patches included) of each sample that has any.
    pub lengths: Vec<i64>,
    /// Places whose successor in the same sample has a label, the labels, and which sample each belongs to. The language model
    /// predicts the next token, so labels are shifted by one against their places.
    pub places: Vec<i64>,
    pub targets: Vec<i64>,
    pub samples: Vec<i64>,
    ids: Vec<i64>,
    /// For every place the row it takes from [text embeddings; projected patches].
    rows: Vec<i64>,
    images: Vec<Tensor>,
}

impl Llava {
    /// `weights` and `vision_width` as [`Projector::load`] takes them.
    pub fn new(llama: Llama, weights: &Weights<'_>, vision_width: i64) -> Self {
        let width = llama.config().hidden_size;
        Self {
            llama,
            projector: Projector::load(weights, vision_width, width),
        }
    }

    /// What the decoder reads: word embeddings with the projected patches in their places. `[tokens, hidden]`.
    pub fn embed(&self, batch: &PackedBatch) -> Tensor {
        let ids = Tensor::from_slice(&batch.ids).to_device(self.llama.device());
        let rows = Tensor::from_slice(&batch.rows).to_device(self.llama.device());
        let words = Tensor::embedding(&self.llama.embedding, &ids, -1, false, false);
        if batch.images.is_empty() {
            return words.index_select(0, &rows);
        }
        let patches = self.projector.forward(&Tensor::cat(&batch.images, 0));
        Tensor::cat(&[words, patches], 0).index_select(0, &rows)
    }

    /// The language head's scores at every place of the batch. `[tokens, vocabulary]`.
    pub fn logits(&self, batch: &PackedBatch) -> Tensor {
        let packing = self.packing(batch);
        let layers = self.llama.layers.iter();
        self.llama
            .logits(&layers.fold(self.embed(batch), |x, layer| layer.forward(&x, &packing)))
    }

    pub fn packing(&self, batch: &PackedBatch) -> Packing {
        self.llama.packing(&batch.lengths)
    }

    pub fn kind(&self) -> Kind {
        self.llama.kind()
    }

    pub fn device(&self) -> Device {
        self.llama.device()
    }

    /// The token embedding and the projector: what lies before the first layer.
    pub fn embed_parameters(&self) -> Vec<Parameter> {
        let mut parameters = vec![self.llama.embedding_parameter()];
        parameters.extend(self.projector_parameters());
        parameters
    }

    /// All parameters, but for those of adapters.
    pub fn parameters(&self) -> Vec<Parameter> {
        let layers = self.llama.layers.iter().enumerate();
        let mut all = self.embed_parameters();
        all.extend(layers.flat_map(|(index, layer)| layer.parameters(index)));
        all.extend(self.llama.head_parameters());
        all
    }

    /// The projector.
    pub fn projector_parameters(&self) -> Vec<Parameter> {
        self.projector.parameters()
    }
}

impl PackedBatch {
    /// Lays the samples end to end. `max_length` applies twice: to the ids as they come, and to what they are with patches put in.
    /// Ids equal to `padding` are left out between the two, wherever they stand, as the published program does by masking them.
    pub fn new(items: &[Item<'_>], max_length: usize, padding: Option<i32>) -> Self {
        let mut batch = Self {
            lengths: Vec::new(),
            places: Vec::new(),
            targets: Vec::new(),
            samples: Vec::new(),
            ids: Vec::new(),
            rows: Vec::new(),
            images: Vec::new(),
        };
        let mut patches = 0;
        for (sample, item) in items.iter().enumerate() {
            let start = batch.rows.len();
            let mut labels = Vec::new();
            let mut first_patch = None;
            for (&id, &label) in item.ids.iter().zip(item.labels).take(max_length) {
                if Some(id) == padding {
                    continue;
                }
                if id != IMAGE_TOKEN {
                    batch.rows.push(batch.ids.len() as i64);
                    batch.ids.push(i64::from(id));
                    labels.push(label);
                } else if let Some(image) = item.image {
                    let count = image.size()[0];
                    let first = *first_patch.get_or_insert_with(|| {
                        batch.images.push(image.shallow_clone());
                        patches += count;
                        patches - count
                    });
                    // How many words there are is not known yet: patch p stands as -1 - p until it is.
                    batch
                        .rows
                        .extend((first..first + count).map(|patch| -1 - patch));
                    labels.extend((0..count).map(|_| IGNORED));
                }
            }
            labels.truncate(max_length);
            batch.rows.truncate(start + max_length);
            batch.supervise(start as i64, sample as i64, &labels);
        }
        let words = batch.ids.len() as i64;
        for row in batch.rows.iter_mut().filter(|row| **row < 0) {
            *row = words + (-1 - *row);
        }
        batch
    }

    /// Tokens of all samples, patches included.
    pub fn tokens(&self) -> usize {
        self.rows.len()
    }

    fn supervise(&mut self, start: i64, sample: i64, labels: &[i32]) {
        if !labels.is_empty() {
            self.lengths.push(labels.len() as i64);
        }
        for (place, &label) in labels.iter().skip(1).enumerate() {
            if label != IGNORED {
                self.places.push(start + place as i64);
                self.targets.push(i64::from(label));
                self.samples.push(sample);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item<'a>(ids: &'a [i32], labels: &'a [i32], image: Option<&'a Tensor>) -> Item<'a> {
        Item { ids, labels, image }
    }

    fn two_patches() -> Tensor {
        Tensor::zeros([2, 3], (Kind::Float, Device::Cpu))
    }

    #[test]
    fn patches_stand_behind_all_words_in_the_table_of_rows() {
        let image = two_patches();
        let batch = PackedBatch::new(
            &[
                item(&[5, IMAGE_TOKEN, 6], &[IGNORED, IGNORED, 6], Some(&image)),
                item(&[7, 8], &[IGNORED, 8], None),
            ],
            10,
            None,
        );
        assert_eq!(batch.lengths, [4, 2]);
        assert_eq!(batch.ids, [5, 6, 7, 8]);
        assert_eq!(batch.rows, [0, 4, 5, 1, 2, 3]);
        assert_eq!(
            (batch.places, batch.targets, batch.samples),
            (vec![2, 4], vec![6, 8], vec![0, 1])
        );
    }

    #[test]
    fn a_cut_image_leaves_the_next_sample_alone() {
        let image = two_patches();
        let batch = PackedBatch::new(
            &[
                item(&[5, IMAGE_TOKEN, 6], &[IGNORED; 3], Some(&image)),
                item(&[7, 8], &[IGNORED, 8], None),
            ],
            2,
            None,
        );
        assert_eq!(batch.lengths, [2, 2]);
        assert_eq!(batch.rows, [0, 3, 1, 2]);
        assert_eq!(batch.places, [2]);
    }

    #[test]
    fn ids_are_cut_before_padding_is_left_out() {
        let batch = PackedBatch::new(&[item(&[1, 0, 2, 3], &[1, 0, 2, 3], None)], 3, Some(0));
        assert_eq!(
            (batch.lengths, batch.ids, batch.targets),
            (vec![2], vec![1, 2], vec![2])
        );
    }

    #[test]
    fn a_sample_without_tokens_has_no_length_but_keeps_its_number() {
        let batch = PackedBatch::new(
            &[item(&[], &[], None), item(&[1, 2], &[1, 2], None)],
            3,
            None,
        );
        assert_eq!((batch.lengths, batch.samples), (vec![2], vec![1]));
    }
}
