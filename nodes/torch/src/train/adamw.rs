//! AdamW: Adam with decoupled weight decay. Loshchilov & Hutter 2019, arXiv 1711.05101; the arithmetic of PyTorch's.
//!
//! Parameters come in blocks, and one block can be updated as soon as its gradients are there, while the backward pass is
//! still on its way to the blocks before it.

use tch::{Kind, Tensor, no_grad};

use crate::models::Parameter;
use crate::shim::{self, Rates};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    /// Applied to the parameters that decay.
    pub weight_decay: f64,
}

/// The optimizer's state: two moments for each parameter, in float32, and a float32 master copy of what is stored in fewer bits.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    /// Updates begun, this one included.
    updates: u32,
    blocks: Vec<Vec<Slot>>,
}

/// A parameter with what the optimizer keeps of it.
#[derive(Debug)]
pub struct Slot {
    pub parameter: Parameter,
    pub master: Option<Tensor>,
    pub mean: Tensor,
    pub square: Tensor,
}

impl AdamW {
    pub fn new(config: AdamWConfig, blocks: Vec<Vec<Parameter>>) -> Self {
        let blocks = blocks
            .into_iter()
            .map(|block| block.into_iter().map(Slot::new).collect())
            .collect();
        Self {
            config,
            updates: 0,
            blocks,
        }
    }

    /// Begins the next update. Each block is to be updated once before the next one begins.
    pub fn begin(&mut self) {
        self.updates += 1;
    }

    /// Updates one block with the gradients of its parameters, in their order.
    pub fn update(&mut self, block: usize, gradients: &[Tensor], rate: f64) {
        let slots = &self.blocks[block];
        let full: Vec<Tensor> = gradients
            .iter()
            .map(|gradient| gradient.to_kind(Kind::Float))
            .collect();
        let Some(first) = slots.first() else { return };
        let step = Tensor::from(f64::from(self.updates))
            .to_kind(Kind::Float)
            .to_device(first.mean.device());
        for decays in [true, false] {
            let mut update = shim::Update::default();
            let chosen = slots.iter().zip(&full);
            for (slot, gradient) in chosen.filter(|(slot, _)| slot.parameter.decays == decays) {
                update.values.push(slot.full());
                update.gradients.push(gradient);
                update.means.push(&slot.mean);
                update.squares.push(&slot.square);
                update.steps.push(&step);
            }
            let config = self.config;
            let decay = if decays { config.weight_decay } else { 0.0 };
            if !update.values.is_empty() {
                shim::adamw(&update, config.rates(rate, decay));
            }
        }
        for slot in &mut self.blocks[block] {
            slot.round();
        }
    }

    /// What the optimizer keeps, block by block.
    pub fn blocks(&self) -> &[Vec<Slot>] {
        &self.blocks
    }

    /// Updates begun so far.
    pub fn updates(&self) -> u32 {
        self.updates
    }

    /// Goes on as if so many updates had been made, where the values and moments of all slots are those after them.
    pub fn resume(&mut self, updates: u32) {
        self.updates = updates;
        self.blocks.iter_mut().flatten().for_each(Slot::round);
    }
}

impl AdamWConfig {
    fn rates(self, rate: f64, decay: f64) -> Rates {
        Rates {
            rate,
            beta1: self.beta1,
            beta2: self.beta2,
            decay,
            eps: self.eps,
        }
    }
}

impl Slot {
    fn new(parameter: Parameter) -> Self {
        let full = parameter.value.kind() == Kind::Float;
        let value = parameter.value.detach().to_kind(Kind::Float);
        Self {
            mean: value.zeros_like(),
            square: value.zeros_like(),
            master: (!full).then_some(value),
            parameter,
        }
    }

    /// The value in float32.
    pub fn full(&self) -> &Tensor {
        self.master.as_ref().unwrap_or(&self.parameter.value)
    }

    /// The model's value follows its master.
    fn round(&mut self) {
        if let Some(master) = &self.master {
            no_grad(|| self.parameter.value.copy_(master));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// p = torch.tensor([.5, -1., 2.], requires_grad=True); q = torch.tensor([1., 1.], requires_grad=True)
    /// o = torch.optim.AdamW([{"params": [p], "weight_decay": .1}, {"params": [q], "weight_decay": 0.}], lr=1e-2)
    /// for lr, a, b in [(1e-2, [.1, -.2, 3.], [0., 1e-9]), (5e-3, [-.3, .1, 0.], [1., -1.])]:
    ///     for g in o.param_groups: g["lr"] = lr
    ///     p.grad, q.grad = torch.tensor(a), torch.tensor(b); o.step()
    /// print(p, q)
    /// ```
    #[test]
    fn matches_pytorch() {
        let block = || {
            vec![
                Parameter::new("p", &Tensor::from_slice(&[0.5f32, -1.0, 2.0]), true),
                Parameter::new("q", &Tensor::from_slice(&[1f32, 1.0]), false),
            ]
        };
        let config = AdamWConfig {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.1,
        };
        let mut optimizer = AdamW::new(config, vec![block()]);
        for (rate, a, b) in [
            (1e-2, [0.1f32, -0.2, 3.0], [0f32, 1e-9]),
            (5e-3, [-0.3, 0.1, 0.0], [1.0, -1.0]),
        ] {
            optimizer.begin();
            optimizer.update(0, &[Tensor::from_slice(&a), Tensor::from_slice(&b)], rate);
        }
        let found: Vec<Vec<f32>> = optimizer
            .blocks()
            .iter()
            .flatten()
            .map(|slot| Vec::try_from(&slot.parameter.value).expect("float32"))
            .collect();
        let expected = [
            vec![0.491_726_2_f32, -0.987_173_8, 1.983_655_7],
            vec![0.996_279_3, 1.002_811_6],
        ];
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-7, "{found} {expected}");
        }
    }

    #[test]
    fn a_value_in_bfloat16_follows_its_float32_master() {
        let value = Tensor::from_slice(&[1f32]).to_kind(Kind::BFloat16);
        let config = AdamWConfig {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
        };
        let mut optimizer = AdamW::new(config, vec![vec![Parameter::new("p", &value, true)]]);
        // Each step is far below bfloat16's resolution at 1, which is 0.0078 upwards and 0.0039 downwards.
        for _ in 0..10 {
            optimizer.begin();
            optimizer.update(
                0,
                &[Tensor::from_slice(&[1f32]).to_kind(Kind::BFloat16)],
                1e-3,
            );
        }
        assert!((value.to_kind(Kind::Float).double_value(&[0]) - 0.99).abs() < 0.002);
    }
}
