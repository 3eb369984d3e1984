//! BLIP's image encoder: a vision transformer over square patches. Dosovitskiy et al. 2021, arXiv 2010.11929.

use tch::Tensor;

use super::BlipVisionConfig;
use crate::models::layers::{Activation, LayerNorm, Linear, Mlp, attention};
use crate::weights::Weights;

/// The encoder with its last norm.
#[derive(Debug)]
pub struct BlipVision {
    config: BlipVisionConfig,
    class_token: Tensor,
    positions: Tensor,
    patches: Tensor,
    patches_bias: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

/// One transformer layer, normalised before attention and before the MLP.
#[derive(Debug)]
struct Block {
    heads: i64,
    norm1: LayerNorm,
    /// Queries, keys and values one below the other.
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl BlipVision {
    pub fn load(weights: &Weights<'_>, config: &BlipVisionConfig) -> Self {
        let (width, patch) = (config.embed_dim, config.patch_size);
        let projection = weights.at("patch_embed.proj");
        Self {
            class_token: weights.tensor("cls_token", &[1, 1, width]),
            positions: weights.tensor("pos_embed", &[1, config.patches() + 1, width]),
            patches: projection.tensor("weight", &[width, 3, patch, patch]),
            patches_bias: projection.tensor("bias", &[width]),
            blocks: (0..config.depth)
                .map(|i| Block::load(&weights.at("blocks").at(i), config))
                .collect(),
            norm: LayerNorm::load(&weights.at("norm"), width, config.layer_norm_eps),
            config: config.clone(),
        }
    }

    pub fn config(&self) -> &BlipVisionConfig {
        &self.config
    }

    /// What the text encoder looks at: the class token, then the patches row by row. `pixels` `[B, 3, S, S]`, normalised ->
    /// `[B, 1 + patches, width]`.
    pub fn states(&self, pixels: &Tensor) -> Tensor {
        let patch = self.config.patch_size;
        let bias = Some(&self.patches_bias);
        let patches = pixels
            .conv2d(&self.patches, bias, [patch, patch], [0, 0], [1, 1], 1)
            .flatten(2, -1)
            .transpose(1, 2);
        let class = self.class_token.expand([pixels.size()[0], 1, -1], false);
        let embedded = Tensor::cat(&[class, patches], 1) + &self.positions;
        let blocks = self.blocks.iter();
        self.norm
            .forward(&blocks.fold(embedded, |x, block| block.forward(&x)))
    }
}

impl Block {
    fn load(weights: &Weights<'_>, config: &BlipVisionConfig) -> Self {
        let width = config.embed_dim;
        let linear = |name: &str, inputs, outputs| Linear::load(&weights.at(name), inputs, outputs);
        let norm = |name: &str| LayerNorm::load(&weights.at(name), width, config.layer_norm_eps);
        Self {
            heads: config.num_heads,
            norm1: norm("norm1"),
            qkv: if config.qkv_bias {
                linear("attn.qkv", width, 3 * width)
            } else {
                Linear::load_without_bias(&weights.at("attn.qkv"), width, 3 * width)
            },
            proj: linear("attn.proj", width, width),
            norm2: norm("norm2"),
            mlp: Mlp::load(
                (&weights.at("mlp.fc1"), &weights.at("mlp.fc2")),
                Activation::Gelu,
                width,
                config.inner(),
            ),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let (batch, tokens) = (x.size()[0], x.size()[1]);
        let qkv = self
            .qkv
            .forward(&self.norm1.forward(x))
            .view([batch, tokens, 3, self.heads, -1])
            .permute([2, 0, 3, 1, 4]);
        let mixed = attention(&qkv.get(0), &qkv.get(1), &qkv.get(2), false);
        let x = x + self.proj.forward(&mixed.transpose(1, 2).flatten(2, -1));
        &x + self.mlp.forward(&self.norm2.forward(&x))
    }
}
