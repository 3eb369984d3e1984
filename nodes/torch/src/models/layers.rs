//! The layers that several models share: linear maps, layer norms, activations, attention over heads.

use serde::Deserialize;
use tch::{Kind, Tensor};

use crate::weights::Weights;

/// y = x Wᵀ + b, with `weight` `[out, in]` and `bias` `[out]`.
#[derive(Debug)]
pub struct Linear {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
}

/// Layer normalisation over the last axis.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

/// The activations that `hidden_act` names in CLIP-like configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    QuickGelu,
    Gelu,
    /// Its approximation by a hyperbolic tangent.
    #[serde(rename = "gelu_pytorch_tanh")]
    GeluTanh,
}

impl Linear {
    pub fn load(weights: &Weights<'_>, inputs: i64, outputs: i64) -> Self {
        let weight = weights.tensor("weight", &[outputs, inputs]);
        Self {
            weight,
            bias: Some(weights.tensor("bias", &[outputs])),
        }
    }

    pub fn load_without_bias(weights: &Weights<'_>, inputs: i64, outputs: i64) -> Self {
        Self {
            weight: weights.tensor("weight", &[outputs, inputs]),
            bias: None,
        }
    }

    /// Several maps of one input as one, whose output is theirs side by side.
    pub fn load_joined(weights: &[Weights<'_>], inputs: i64, outputs: i64) -> Self {
        let mut parts: Vec<Self> = weights
            .iter()
            .map(|weights| Self::load(weights, inputs, outputs))
            .collect();
        if parts
            .iter()
            .any(|part| part.weight.size() != [outputs, inputs])
        {
            // A stand-in for what was missing is not joined; such a model never gets out.
            return parts.remove(0);
        }
        let weight: Vec<&Tensor> = parts.iter().map(|part| &part.weight).collect();
        let bias: Vec<&Tensor> = parts.iter().filter_map(|part| part.bias.as_ref()).collect();
        Self {
            weight: Tensor::cat(&weight, 0),
            bias: Some(Tensor::cat(&bias, 0)),
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref())
    }

    /// Only the outputs from `first` on, `count` of them.
    pub fn forward_part(&self, x: &Tensor, first: i64, count: i64) -> Tensor {
        let part = |all: &Tensor| all.narrow(0, first, count);
        x.linear(&part(&self.weight), self.bias.as_ref().map(part))
    }
}

impl LayerNorm {
    pub fn load(weights: &Weights<'_>, width: i64, eps: f64) -> Self {
        Self {
            weight: weights.tensor("weight", &[width]),
            bias: weights.tensor("bias", &[width]),
            eps,
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(
            self.weight.size(),
            Some(&self.weight),
            Some(&self.bias),
            self.eps,
            true,
        )
    }
}

impl Activation {
    pub fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::QuickGelu => x * (x * 1.702).sigmoid(),
            Self::Gelu => x.gelu("none"),
            Self::GeluTanh => x.gelu("tanh"),
        }
    }
}

/// Softmax attention, scaled by 1/√(head width). `q`, `k`, `v`: `[batch, heads, tokens, head width]`. With `causal`, a token sees
/// itself and what stands before it. Fewer heads in `k` and `v` than in `q` are shared between neighbouring heads of `q`.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor, causal: bool) -> Tensor {
    let grouped = q.size()[1] != k.size()[1];
    Tensor::scaled_dot_product_attention(q, k, v, None::<Tensor>, 0.0, causal, None, grouped)
}

/// The same, where a token sees those for which `seen` is true, or all. `seen`: bool, broadcast to `[batch, heads, tokens of q,
/// tokens of k]`; every token must see one at least.
pub fn attention_to(q: &Tensor, k: &Tensor, v: &Tensor, seen: Option<&Tensor>) -> Tensor {
    Tensor::scaled_dot_product_attention(q, k, v, seen, 0.0, false, None, false)
}

/// Scales every row (last axis) to Euclidean length 1.
pub fn normalise(x: &Tensor) -> Tensor {
    x / x.norm_scalaropt_dim(2, [-1].as_slice(), true)
}

/// The number in a one-element tensor, read as float32 and widened; waits for the device.
pub fn number(x: &Tensor) -> f64 {
    x.to_kind(Kind::Float).double_value(&[])
}
