//! ImageReward: how well people like an image as the picture of a text. Xu et al. 2023, arXiv 2304.05977.
//!
//! BLIP's image-grounded text encoder (Li et al. 2022, arXiv 2201.12086) reads the text while it looks at the image: a vision
//! transformer turns the image into states, and every layer of a BERT attends to them. A head maps the first token's last state
//! to one number.
//!
//! Weight names are those of the published `ImageReward.pt`; sizes come from [`BlipConfig`].

use tch::{Kind, Tensor};

use super::layers::Linear;
use crate::weights::Weights;

mod bert;
mod settings;
mod vit;

pub use bert::{BlipText, Texts};
pub use settings::{BlipConfig, BlipTextConfig, BlipVisionConfig};
pub use vit::BlipVision;

/// What the published model normalises its rewards with: mean and standard deviation over its own data.
pub const REWARD_MEAN: f64 = 0.167_173_628_300_524_26;
pub const REWARD_STD: f64 = 1.033_339_496_605_407_2;
/// Tokens of a text that the published model looks at, the first and the last included.
pub const MOST_TOKENS: usize = 35;
/// What the pixels' red, green and blue are normalised with.
pub const PIXEL_MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
pub const PIXEL_STD: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

/// Widths between the linear maps of the reward head, and their places among its layers. The rest is dropout: the published head
/// has no activations.
const HEAD: [(i64, usize); 5] = [(1024, 0), (128, 2), (64, 4), (16, 6), (1, 7)];

/// The whole model.
#[derive(Debug)]
pub struct ImageReward {
    pub vision: BlipVision,
    pub text: BlipText,
    /// All of the head's layers as one, `[1, hidden]`.
    head: Linear,
}

impl ImageReward {
    pub fn load(weights: &Weights<'_>, config: &BlipConfig) -> Self {
        let (vision, text) = (&config.vision, &config.text);
        let blip = weights.at("blip");
        Self {
            vision: BlipVision::load(&blip.at("visual_encoder"), vision),
            text: BlipText::load(&blip.at("text_encoder"), text, vision.embed_dim),
            head: load_head(&weights.at("mlp.layers"), text.hidden_size),
        }
    }

    /// The reward of each text with its image, in the order of the batches, normalised. `images` are the states that
    /// [`BlipVision::states`] gives, `[I, 1 + patches, width]` -> float32 `[texts]`.
    pub fn rewards(&self, images: &Tensor, texts: &[Texts]) -> Tensor {
        let first = Tensor::cat(&self.text.first_states(images, texts), 0);
        let reward = self
            .head
            .forward(&first.to_kind(Kind::Float))
            .squeeze_dim(1);
        (reward - REWARD_MEAN) / REWARD_STD
    }
}

/// Linear maps one after the other are one linear map: multiplied out in float64, rounded once.
fn load_head(weights: &Weights<'_>, width: i64) -> Linear {
    let mut inputs = width;
    let mut maps = Vec::new();
    for (outputs, place) in HEAD {
        let layer = weights.at(place);
        let weight = layer.tensor_of(Kind::Double, "weight", &[outputs, inputs]);
        let bias = layer.tensor_of(Kind::Double, "bias", &[outputs]);
        maps.push((weight, bias.unsqueeze(1)));
        inputs = outputs;
    }
    let fits = |((weight, _), (outputs, _)): (&(Tensor, Tensor), (i64, usize))| {
        weight.size()[0] == outputs
    };
    if !maps.iter().zip(HEAD).all(fits) {
        // A stand-in for what was missing cannot be multiplied; such a model never gets out.
        maps.truncate(1);
    }
    let whole = maps.into_iter().reduce(|(w1, b1), (w2, b2)| {
        let bias = w2.matmul(&b1) + b2;
        (w2.matmul(&w1), bias)
    });
    let (weight, bias) = whole.expect("the head has layers");
    let bias = bias.squeeze_dim(1).to_kind(Kind::Float);
    Linear::new(weight.to_kind(Kind::Float), Some(bias))
}
