//! The transformer layer that the towers of CLIP and SigLIP are made of, and the patches that images enter them as. Dosovitskiy et
//! al. 2020, arXiv 2010.11929.

use tch::{Device, Tensor};

use super::layers::{Activation, LayerNorm, Linear, Mlp, attention};
use crate::weights::Weights;

/// One transformer layer, normalised before attention and before the MLP.
#[derive(Debug)]
pub(crate) struct Layer {
    heads: i64,
    norm1: LayerNorm,
    /// Queries, keys and values.
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    mlp: Mlp,
}

/// What a layer needs to know of its tower.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerConfig {
    pub(crate) width: i64,
    pub(crate) inner: i64,
    pub(crate) heads: i64,
    pub(crate) eps: f64,
    pub(crate) activation: Activation,
}

/// `pixels` `[B, channels, H, W]` and the `kernel` `[width, channels, patch, patch]` of a convolution whose steps are as wide as it
/// -> `[B, patches, width]`.
pub(crate) fn patches(pixels: &Tensor, kernel: &Tensor) -> Tensor {
    let (batch, channels) = (pixels.size()[0], pixels.size()[1]);
    let patch = kernel.size()[3];
    if pixels.device() == Device::Cpu {
        return pixels
            .conv2d(kernel, None::<&Tensor>, [patch, patch], [0, 0], [1, 1], 1)
            .flatten(2, -1)
            .transpose(1, 2);
    }
    // A matrix product keeps to float32; a convolution of cuDNN's would round to TF32.
    let (rows, columns) = (pixels.size()[2] / patch, pixels.size()[3] / patch);
    pixels
        .narrow(2, 0, rows * patch)
        .narrow(3, 0, columns * patch)
        .reshape([batch, channels, rows, patch, columns, patch])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([batch, rows * columns, channels * patch * patch])
        .matmul(&kernel.flatten(1, -1).tr())
}

impl Layer {
    pub(crate) fn load(weights: &Weights<'_>, config: &LayerConfig) -> Self {
        let norm = |name: &str| LayerNorm::load(&weights.at(name), config.width, config.eps);
        let width = config.width;
        Self {
            heads: config.heads,
            norm1: norm("layer_norm1"),
            qkv: Linear::load_joined(
                &["q_proj", "k_proj", "v_proj"].map(|name| weights.at("self_attn").at(name)),
                width,
                width,
            ),
            out: Linear::load(&weights.at("self_attn.out_proj"), width, width),
            norm2: norm("layer_norm2"),
            mlp: Mlp::load(
                (&weights.at("mlp.fc1"), &weights.at("mlp.fc2")),
                config.activation,
                width,
                config.inner,
            ),
        }
    }

    /// `[B, tokens, width]` -> the same.
    pub(crate) fn forward(&self, x: &Tensor, causal: bool) -> Tensor {
        let parts = self.qkv.forward(&self.norm1.forward(x)).chunk(3, -1);
        let [q, k, v] = [0, 1, 2].map(|part| self.heads(&parts[part]));
        self.finish(x, &attention(&q, &k, &v, causal))
    }

    /// The state of one token of each row, `[B, 1, width]`, which is all that is read of a tower's last layer. `pick` takes those
    /// tokens out of `[B, tokens, width]`; `seen` says which tokens they attend to (all of them, where it is none).
    pub(crate) fn forward_one(
        &self,
        x: &Tensor,
        pick: impl Fn(&Tensor) -> Tensor,
        seen: Option<&Tensor>,
    ) -> Tensor {
        let (normed, width) = (self.norm1.forward(x), x.size()[2]);
        let q = self.heads(&self.qkv.forward_part(&pick(&normed), 0, width));
        let parts = self
            .qkv
            .forward_part(&normed, width, 2 * width)
            .chunk(2, -1);
        let [k, v] = [0, 1].map(|part| self.heads(&parts[part]));
        let mixed = Tensor::scaled_dot_product_attention(&q, &k, &v, seen, 0.0, false, None, false);
        self.finish(&pick(x), &mixed)
    }

    /// `[B, tokens, width]` -> `[B, heads, tokens, head width]`.
    fn heads(&self, x: &Tensor) -> Tensor {
        let size = x.size();
        x.view([size[0], size[1], self.heads, -1]).transpose(1, 2)
    }

    /// What comes after attention.
    fn finish(&self, x: &Tensor, mixed: &Tensor) -> Tensor {
        let x = x + self.out.forward(&mixed.transpose(1, 2).flatten(2, -1));
        &x + self.mlp.forward(&self.norm2.forward(&x))
    }
}
