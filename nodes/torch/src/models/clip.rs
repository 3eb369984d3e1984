//! CLIP: an image tower and a text tower with a common embedding space. Radford et al. 2021, arXiv 2103.00020.
//!
//! Weight names are those of `CLIPModel` checkpoints; sizes come from [`ClipConfig`].

use tch::{Kind, Tensor};

use super::encoder::{Layer, patches};
use super::layers::{LayerNorm, Linear};
use crate::weights::Weights;

mod settings;
pub use settings::{ClipConfig, ClipTextConfig, ClipVisionConfig};

/// Both towers with their projections.
#[derive(Debug)]
pub struct Clip {
    pub vision: ClipVision,
    pub text: ClipText,
    visual_projection: Linear,
    text_projection: Linear,
}

/// The image tower: a vision transformer over square patches.
#[derive(Debug)]
pub struct ClipVision {
    config: ClipVisionConfig,
    class_embedding: Tensor,
    patch_embedding: Tensor,
    position_embedding: Tensor,
    pre_norm: LayerNorm,
    layers: Vec<Layer>,
    post_norm: LayerNorm,
}

/// The text tower: a causal transformer, pooled at the end-of-text token.
#[derive(Debug)]
pub struct ClipText {
    config: ClipTextConfig,
    token_embedding: Tensor,
    position_embedding: Tensor,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
}

impl Clip {
    pub fn load(weights: &Weights<'_>, config: &ClipConfig) -> Self {
        let (vision, text, width) = (&config.vision, &config.text, config.projection_dim);
        Self {
            vision: ClipVision::load(&weights.at("vision_model"), vision),
            text: ClipText::load(&weights.at("text_model"), text),
            visual_projection: Linear::load_without_bias(
                &weights.at("visual_projection"),
                vision.hidden_size,
                width,
            ),
            text_projection: Linear::load_without_bias(
                &weights.at("text_projection"),
                text.hidden_size,
                width,
            ),
        }
    }

    /// Projected image embeddings, not normalised. `pixels` `[B, channels, H, W]` -> `[B, projection]`.
    pub fn image_features(&self, pixels: &Tensor) -> Tensor {
        self.visual_projection.forward(&self.vision.pooled(pixels))
    }

    /// Projected text embeddings, not normalised. `ids` int64 `[B, L]`, padded at the end with anything; `lengths` int64 `[B]`,
    /// each at least 1 -> `[B, projection]`.
    pub fn text_features(&self, ids: &Tensor, lengths: &Tensor) -> Tensor {
        self.text_projection
            .forward(&self.text.pooled(ids, lengths))
    }
}

impl ClipVision {
    pub fn load(weights: &Weights<'_>, config: &ClipVisionConfig) -> Self {
        let (width, patch) = (config.hidden_size, config.patch_size);
        let embeddings = weights.at("embeddings");
        let norm = |name: &str| LayerNorm::load(&weights.at(name), width, config.layer_norm_eps);
        Self {
            config: config.clone(),
            class_embedding: embeddings.tensor("class_embedding", &[width]),
            patch_embedding: embeddings.tensor(
                "patch_embedding.weight",
                &[width, config.num_channels, patch, patch],
            ),
            position_embedding: embeddings
                .tensor("position_embedding.weight", &[config.patches() + 1, width]),
            // The published name is misspelt.
            pre_norm: norm("pre_layrnorm"),
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::load(&weights.at("encoder.layers").at(i), &config.layer()))
                .collect(),
            post_norm: norm("post_layernorm"),
        }
    }

    pub fn config(&self) -> &ClipVisionConfig {
        &self.config
    }

    /// Kind of the weights, which pixels must have as well.
    pub fn kind(&self) -> Kind {
        self.class_embedding.kind()
    }

    pub fn device(&self) -> tch::Device {
        self.class_embedding.device()
    }

    /// The class token after the last layer, normalised by the tower's own norm. `[B, channels, H, W]` -> `[B, width]`.
    pub fn pooled(&self, pixels: &Tensor) -> Tensor {
        let class = |x: &Tensor| x.narrow(1, 0, 1);
        let pooled = match self.layers.split_last() {
            Some((last, before)) => last.forward_one(&self.run(pixels, before.len()), class, None),
            None => class(&self.run(pixels, 0)),
        };
        self.post_norm.forward(&pooled.squeeze_dim(1))
    }

    /// Hidden states of the patches (the class token left out) after the first `layers` layers, not normalised;
    /// [`ClipVisionConfig::layers_until`] gives that number for an index such as -2. `[B, channels, H, W]` -> `[B, patches, width]`.
    pub fn hidden_states(&self, pixels: &Tensor, layers: usize) -> Tensor {
        self.run(pixels, layers).narrow(1, 1, self.config.patches())
    }

    fn run(&self, pixels: &Tensor, layers: usize) -> Tensor {
        let class = self
            .class_embedding
            .expand([pixels.size()[0], 1, self.config.hidden_size], false);
        let embedded = Tensor::cat(&[class, patches(pixels, &self.patch_embedding)], 1)
            + &self.position_embedding;
        self.layers[..layers]
            .iter()
            .fold(self.pre_norm.forward(&embedded), |x, layer| {
                layer.forward(&x, false)
            })
    }
}

impl ClipText {
    pub fn load(weights: &Weights<'_>, config: &ClipTextConfig) -> Self {
        let width = config.hidden_size;
        let embeddings = weights.at("embeddings");
        Self {
            config: config.clone(),
            token_embedding: embeddings
                .tensor("token_embedding.weight", &[config.vocab_size, width]),
            position_embedding: embeddings.tensor(
                "position_embedding.weight",
                &[config.max_position_embeddings, width],
            ),
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::load(&weights.at("encoder.layers").at(i), &config.layer()))
                .collect(),
            final_norm: LayerNorm::load(
                &weights.at("final_layer_norm"),
                width,
                config.layer_norm_eps,
            ),
        }
    }

    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// The state of each row's end-of-text token, normalised. `[B, L]` and `[B]` -> `[B, width]`.
    ///
    /// Padding at the end needs no mask: a causal transformer's earlier tokens never see it.
    pub fn pooled(&self, ids: &Tensor, lengths: &Tensor) -> Tensor {
        let tokens = ids.size()[1];
        let embedded = Tensor::embedding(&self.token_embedding, ids, -1, false, false)
            + self.position_embedding.narrow(0, 0, tokens);
        let place = self.end_of_text(ids, lengths).unsqueeze(-1);
        let index = place
            .unsqueeze(-1)
            .expand([-1, 1, self.config.hidden_size], false);
        let end = |x: &Tensor| x.gather(1, &index, false);
        let pooled = match self.layers.split_last() {
            Some((last, before)) => {
                let hidden = before
                    .iter()
                    .fold(embedded, |x, layer| layer.forward(&x, true));
                let seen = Tensor::arange(tokens, (Kind::Int64, ids.device())).le_tensor(&place);
                last.forward_one(&hidden, end, Some(&seen.unsqueeze(1).unsqueeze(1)))
            }
            None => end(&embedded),
        };
        self.final_norm.forward(&pooled.squeeze_dim(1))
    }

    /// Where each row is pooled. Early checkpoints name 2 as their end token although it is the vocabulary's largest id: there
    /// the row's largest id counts, else the first end token (position 0 when there is none).
    fn end_of_text(&self, ids: &Tensor, lengths: &Tensor) -> Tensor {
        let positions = Tensor::arange(ids.size()[1], (Kind::Int64, ids.device()));
        let padding = positions.ge_tensor(&lengths.unsqueeze(-1));
        if self.config.eos_token_id == ClipTextConfig::LEGACY_EOS {
            ids.masked_fill(&padding, -1).argmax(-1, false)
        } else {
            ids.eq(self.config.eos_token_id)
                .masked_fill(&padding, 0)
                .to_kind(Kind::Int)
                .argmax(-1, false)
        }
    }
}
