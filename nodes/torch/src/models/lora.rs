//! Low-rank adapters: a small trained change beside a frozen linear map. Hu et al. 2021, arXiv 2106.09685.

use tch::Tensor;

use super::Parameter;

/// y = x Wᵀ + scale · (x Aᵀ) Bᵀ, with `a` `[rank, in]` and `b` `[out, rank]`.
#[derive(Debug)]
pub struct Adapter {
    a: Tensor,
    b: Tensor,
    /// alpha / rank.
    scale: f64,
}

/// How adapters are made.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    pub rank: i64,
    pub alpha: f64,
    /// Names of the layer's linear maps that get one, such as `q_proj`.
    pub targets: Vec<String>,
}

impl Adapter {
    /// Beside a map with this `weight` `[out, in]`. `a` is drawn from uniform(-1/√in, 1/√in) out of numbers in (0, 1) that `unit` gives, `b` is
    /// zero: at first the adapter changes nothing.
    pub fn new(weight: &Tensor, config: &LoraConfig, mut unit: impl FnMut() -> f64) -> Self {
        let size = weight.size();
        let (outputs, inputs) = (size[0], size[1]);
        let bound = (inputs as f64).sqrt().recip();
        let drawn: Vec<f32> = (0..config.rank * inputs)
            .map(|_| ((2.0 * unit() - 1.0) * bound) as f32)
            .collect();
        let like = (weight.kind(), weight.device());
        let a = Tensor::from_slice(&drawn).view([config.rank, inputs]);
        Self {
            a: a.to_device(like.1).to_kind(like.0),
            b: Tensor::zeros([outputs, config.rank], like),
            scale: config.alpha / config.rank as f64,
        }
    }

    /// What is added to the map's output.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let narrow = x.linear(&self.a, None::<&Tensor>) * self.scale;
        narrow.linear(&self.b, None::<&Tensor>)
    }

    /// The adapter's tensors under the names that PEFT gives them; `map` is the name of the map in the model's checkpoint.
    pub fn parameters(&self, map: &str) -> [Parameter; 2] {
        let name = |part: &str| format!("base_model.model.{map}.{part}.weight");
        [
            Parameter::new(name("lora_A"), &self.a, true),
            Parameter::new(name("lora_B"), &self.b, true),
        ]
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::models::layers::{Linear, number};

    #[test]
    fn an_adapter_is_a_change_of_the_weight() {
        tch::manual_seed(4);
        let random = |shape: [i64; 2]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let (weight, x) = (random([6, 4]), random([5, 4]));
        let config = LoraConfig {
            rank: 2,
            alpha: 3.0,
            targets: Vec::new(),
        };
        let mut numbers = (1..).map(|n| f64::from(n % 7) / 7.0);
        let unit = || numbers.next().expect("no end");
        let adapter = Adapter::new(&weight, &config, unit);
        let plain = Linear::new(weight.shallow_clone(), None);
        let mut adapted = Linear::new(weight.shallow_clone(), None);
        adapted.adapter = Some(adapter);
        assert_eq!(adapted.forward(&x), plain.forward(&x), "nothing at first");

        let adapter = adapted.adapter.as_ref().expect("it was put there");
        let [a, mut b] = adapter.parameters("model.layers.0.self_attn.q_proj");
        assert_eq!(
            (a.name.as_str(), a.value.size()),
            (
                "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
                vec![2, 4]
            )
        );
        let bound = number(&a.value.abs().max());
        assert!(bound > 0.1 && bound <= 0.5, "{bound}");
        b.value.copy_(&random([6, 2]));
        // The scale is alpha / rank.
        let merged = Linear::new(&weight + b.value.matmul(&a.value) * 1.5, None);
        let apart = number(&(adapted.forward(&x) - merged.forward(&x)).abs().max());
        assert!(apart < 1e-5, "{apart}");
        assert!(number(&(adapted.forward(&x) - plain.forward(&x)).abs().max()) > 0.1);
    }
}
