//! SigLIP: an image tower and a text tower with a common embedding space, trained pair by pair. Zhai et al. 2023, arXiv 2303.15343.
//!
//! Weight names are those of `SiglipModel` checkpoints; sizes come from [`SiglipConfig`]. Unlike CLIP: no class token but a head that
//! attends to all patches; texts of one length, which see all of themselves and are pooled at their last token; no projections.

use tch::Tensor;

use super::encoder::{Layer, LayerConfig, patches};
use super::layers::{LayerNorm, Linear, Mlp, attention};
use crate::weights::Weights;

mod settings;
pub use settings::{SiglipConfig, SiglipTextConfig, SiglipVisionConfig};

/// Both towers.
#[derive(Debug)]
pub struct Siglip {
    vision: Vision,
    text: Text,
}

#[derive(Debug)]
struct Vision {
    patch_weight: Tensor,
    patch_bias: Tensor,
    position_embedding: Tensor,
    layers: Vec<Layer>,
    post_norm: LayerNorm,
    head: Head,
}

/// Pools the patches: one learnt query attends to all of them.
#[derive(Debug)]
struct Head {
    heads: i64,
    probe: Tensor,
    /// Of queries, keys and values, one below the other.
    qkv: Linear,
    out: Linear,
    norm: LayerNorm,
    mlp: Mlp,
}

#[derive(Debug)]
struct Text {
    token_embedding: Tensor,
    position_embedding: Tensor,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
    head: Linear,
}

impl Siglip {
    pub fn load(weights: &Weights<'_>, config: &SiglipConfig) -> Self {
        Self {
            vision: Vision::load(&weights.at("vision_model"), &config.vision),
            text: Text::load(&weights.at("text_model"), &config.text),
        }
    }

    /// Image embeddings, not normalised. `pixels` `[B, channels, H, W]` -> `[B, width]`.
    pub fn image_features(&self, pixels: &Tensor) -> Tensor {
        self.vision.pooled(pixels)
    }

    /// Text embeddings, not normalised. `ids` int64 `[B, L]`, all of the model's length -> `[B, width]`.
    pub fn text_features(&self, ids: &Tensor) -> Tensor {
        self.text.pooled(ids)
    }
}

impl Vision {
    fn load(weights: &Weights<'_>, config: &SiglipVisionConfig) -> Self {
        let (width, patch) = (config.hidden_size, config.patch_size);
        let embeddings = weights.at("embeddings");
        let kernel = [width, config.num_channels, patch, patch];
        Self {
            patch_weight: embeddings.tensor("patch_embedding.weight", &kernel),
            patch_bias: embeddings.tensor("patch_embedding.bias", &[width]),
            position_embedding: embeddings
                .tensor("position_embedding.weight", &[config.patches(), width]),
            layers: layers(weights, config.num_hidden_layers, &config.layer()),
            post_norm: LayerNorm::load(&weights.at("post_layernorm"), width, config.layer_norm_eps),
            head: Head::load(&weights.at("head"), &config.layer()),
        }
    }

    fn pooled(&self, pixels: &Tensor) -> Tensor {
        let embedded =
            patches(pixels, &self.patch_weight) + (&self.patch_bias + &self.position_embedding);
        let hidden = self
            .layers
            .iter()
            .fold(embedded, |x, layer| layer.forward(&x, false));
        self.head.forward(&self.post_norm.forward(&hidden))
    }
}

impl Head {
    fn load(weights: &Weights<'_>, config: &LayerConfig) -> Self {
        let width = config.width;
        let attention = weights.at("attention");
        Self {
            heads: config.heads,
            probe: weights.tensor("probe", &[1, 1, width]),
            qkv: Linear::new(
                attention.tensor("in_proj_weight", &[3 * width, width]),
                Some(attention.tensor("in_proj_bias", &[3 * width])),
            ),
            out: Linear::load(&attention.at("out_proj"), width, width),
            norm: LayerNorm::load(&weights.at("layernorm"), width, config.eps),
            mlp: Mlp::load(
                (&weights.at("mlp.fc1"), &weights.at("mlp.fc2")),
                config.activation,
                width,
                config.inner,
            ),
        }
    }

    /// `[B, patches, width]` -> `[B, width]`.
    fn forward(&self, patches: &Tensor) -> Tensor {
        let (batch, width) = (patches.size()[0], patches.size()[2]);
        let heads = |x: &Tensor| {
            let size = x.size();
            x.view([size[0], size[1], self.heads, -1]).transpose(1, 2)
        };
        let q = heads(&self.qkv.forward_part(&self.probe, 0, width));
        let parts = self
            .qkv
            .forward_part(patches, width, 2 * width)
            .chunk(2, -1);
        let q = q.expand([batch, -1, -1, -1], false);
        let mixed = attention(&q, &heads(&parts[0]), &heads(&parts[1]), false);
        let x = self.out.forward(&mixed.transpose(1, 2).flatten(1, -1));
        &x + self.mlp.forward(&self.norm.forward(&x))
    }
}

impl Text {
    fn load(weights: &Weights<'_>, config: &SiglipTextConfig) -> Self {
        let width = config.hidden_size;
        let embeddings = weights.at("embeddings");
        Self {
            token_embedding: embeddings
                .tensor("token_embedding.weight", &[config.vocab_size, width]),
            position_embedding: embeddings.tensor(
                "position_embedding.weight",
                &[config.max_position_embeddings, width],
            ),
            layers: layers(weights, config.num_hidden_layers, &config.layer()),
            final_norm: LayerNorm::load(
                &weights.at("final_layer_norm"),
                width,
                config.layer_norm_eps,
            ),
            head: Linear::load(&weights.at("head"), width, config.projection_size),
        }
    }

    fn pooled(&self, ids: &Tensor) -> Tensor {
        let tokens = ids.size()[1];
        let embedded = Tensor::embedding(&self.token_embedding, ids, -1, false, false)
            + self.position_embedding.narrow(0, 0, tokens);
        let end = |x: &Tensor| x.narrow(1, tokens - 1, 1);
        let pooled = match self.layers.split_last() {
            Some((last, before)) => {
                let hidden = before
                    .iter()
                    .fold(embedded, |x, layer| layer.forward(&x, false));
                last.forward_one(&hidden, end, None)
            }
            None => end(&embedded),
        };
        self.head
            .forward(&self.final_norm.forward(&pooled.squeeze_dim(1)))
    }
}

fn layers(weights: &Weights<'_>, count: i64, config: &LayerConfig) -> Vec<Layer> {
    let layers = weights.at("encoder.layers");
    (0..count)
        .map(|i| Layer::load(&layers.at(i), config))
        .collect()
}
