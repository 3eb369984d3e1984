//! The layers that several models share: linear maps, layer norms, activations, attention over heads.

use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use super::Parameter;
use super::lora::Adapter;
use crate::shim::linear;
use crate::weights::Weights;

/// y = x Wᵀ + b, with `weight` `[out, in]` and `bias` `[out]`; and what an adapter adds, where there is one.
#[derive(Debug)]
pub struct Linear {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
    pub adapter: Option<Adapter>,
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
    pub fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self {
            weight,
            bias,
            adapter: None,
        }
    }

    pub fn load(weights: &Weights<'_>, inputs: i64, outputs: i64) -> Self {
        let weight = weights.tensor("weight", &[outputs, inputs]);
        Self::new(weight, Some(weights.tensor("bias", &[outputs])))
    }

    /// The map whose weight and bias are the checkpoint's times these factors, rounded once.
    fn load_times(weights: &Weights<'_>, inputs: i64, outputs: i64, factors: (f64, f64)) -> Self {
        let times = |name: &str, shape: &[i64], factor: f64| {
            let values = weights.tensor_of(Kind::Float, name, shape) * factor;
            values.to_kind(weights.kind())
        };
        Self::new(
            times("weight", &[outputs, inputs], factors.0),
            Some(times("bias", &[outputs], factors.1)),
        )
    }

    pub fn load_without_bias(weights: &Weights<'_>, inputs: i64, outputs: i64) -> Self {
        Self::new(weights.tensor("weight", &[outputs, inputs]), None)
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
        Self::new(Tensor::cat(&weight, 0), Some(Tensor::cat(&bias, 0)))
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let mapped = product(x, &self.weight, self.bias.as_ref());
        match &self.adapter {
            Some(adapter) => mapped + adapter.forward(x),
            None => mapped,
        }
    }

    /// Weight and, where there is one, bias, at this place in a checkpoint.
    pub fn parameters(&self, place: &str) -> Vec<Parameter> {
        let weight = Parameter::new(format!("{place}.weight"), &self.weight, true);
        let bias = self.bias.iter();
        let bias = bias.map(|bias| Parameter::new(format!("{place}.bias"), bias, false));
        [weight].into_iter().chain(bias).collect()
    }

    /// Only the outputs from `first` on, `count` of them.
    pub fn forward_part(&self, x: &Tensor, first: i64, count: i64) -> Tensor {
        let part = |all: &Tensor| all.narrow(0, first, count);
        let bias = self.bias.as_ref().map(part);
        product(x, &part(&self.weight), bias.as_ref())
    }
}

/// Rows from which on that pays.
const MANY_ROWS: i64 = 128;

/// On the CPU, libtorch leaves linear maps to MKL; oneDNN takes an eighth less time for the same product (measured on a Zen 3).
fn product(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let mut size = x.size();
    let inputs = size.pop().expect("rows have inputs");
    let rows: i64 = size.iter().product();
    if x.device() != Device::Cpu || x.kind() != Kind::Float || rows < MANY_ROWS {
        return x.linear(weight, bias);
    }
    size.push(weight.size()[0]);
    linear(&x.reshape([rows, inputs]), weight, bias).reshape(size)
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

/// Two linear maps with an activation between them.
#[derive(Debug)]
pub struct Mlp {
    activation: Activation,
    first: Linear,
    second: Linear,
}

/// The factor in `x * sigmoid(1.702 x)`, which is `silu(1.702 x) / 1.702`.
const QUICK_GELU: f64 = 1.702;

impl Mlp {
    /// From `width` to `inner` and back.
    pub fn load(
        (first, second): (&Weights<'_>, &Weights<'_>),
        activation: Activation,
        width: i64,
        inner: i64,
    ) -> Self {
        let (first, second) = match activation {
            // Multiplied into the weights, so that one pass over the largest tensors of a model does for four.
            Activation::QuickGelu => (
                Linear::load_times(first, width, inner, (QUICK_GELU, QUICK_GELU)),
                Linear::load_times(second, inner, width, (1.0 / QUICK_GELU, 1.0)),
            ),
            Activation::Gelu | Activation::GeluTanh => (
                Linear::load(first, width, inner),
                Linear::load(second, inner, width),
            ),
        };
        Self {
            activation,
            first,
            second,
        }
    }

    pub fn forward(&self, x: &Tensor) -> Tensor {
        let inner = self.first.forward(x);
        self.second.forward(&match self.activation {
            Activation::QuickGelu => inner.silu(),
            Activation::Gelu => inner.gelu("none"),
            Activation::GeluTanh => inner.gelu("tanh"),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn largest(x: &Tensor) -> f64 {
        number(&x.abs().max())
    }

    #[test]
    fn many_rows_are_mapped_as_few_are() {
        tch::manual_seed(1);
        let options = (Kind::Float, Device::Cpu);
        let map = Linear::new(
            Tensor::randn([24, 40], options),
            Some(Tensor::randn([24], options)),
        );
        let x = Tensor::randn([4, 50, 40], options);
        let plain = x.linear(&map.weight, map.bias.as_ref());
        // As the rows are when a part of each is taken.
        let parts = x.transpose(0, 1).contiguous().transpose(0, 1);
        for x in [&x, &parts] {
            let mapped = map.forward(x);
            assert_eq!(mapped.size(), [4, 50, 24]);
            assert!(mapped.is_contiguous());
            assert!(largest(&(mapped - &plain)) < 1e-4);
        }
        let part = map.forward_part(&x, 8, 16);
        assert!(largest(&(part - plain.narrow(2, 8, 16))) < 1e-4);
    }
}
