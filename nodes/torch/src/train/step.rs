//! One batch forward and backward, layer by layer.
//!
//! Every layer's graph is its own: the forward pass cuts it off at the layer's input, and the backward pass hands the
//! gradient from layer to layer. So a layer's gradients can be used up before those of the layer below are computed
//! (nothing but one layer's gradients need be in memory), and a layer may drop its activations and compute them again.

use tch::{Tensor, no_grad};

use super::Trainable;
use super::loss::{batch_weights, token_losses, weighted_loss};
use super::memory::Load;
use crate::models::Parameter;
use crate::models::llava::{Llava, PackedBatch};
use crate::shim::gradients;

/// The vision-language model and the score net `[1, F]`, and what of them is trained.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) llava: Llava,
    pub(super) score_net: Tensor,
    pub(super) trainable: Trainable,
}

/// What a batch gave. Scalars are still on the device.
#[derive(Debug)]
pub(super) struct BatchResult {
    /// None for a batch without a supervised place, which has no gradients either.
    pub(super) loss: Option<Tensor>,
    /// The samples' weights, `[B]`.
    pub(super) weights: Tensor,
}

/// A layer's input, and its output unless that is to be computed again.
struct Kept {
    input: Tensor,
    output: Option<Tensor>,
}

impl Model {
    /// The trained parameters in blocks: embedding and projector, every layer, then norm, head and score net. The backward pass comes by
    /// them from the last to the first.
    pub(super) fn blocks(&self) -> Vec<Vec<Parameter>> {
        let layers = 0..self.llava.llama.layers.len();
        [self.first()]
            .into_iter()
            .chain(layers.map(|index| self.layer(index)))
            .chain([self.last()])
            .collect()
    }

    fn first(&self) -> Vec<Parameter> {
        match self.trainable {
            Trainable::Full => self.llava.embed_parameters(),
            Trainable::Lora(_) | Trainable::Projector => self.llava.projector_parameters(),
        }
    }

    fn layer(&self, index: usize) -> Vec<Parameter> {
        let layer = &self.llava.llama.layers[index];
        match self.trainable {
            Trainable::Full => layer.parameters(index),
            Trainable::Lora(_) => layer.adapters(index),
            Trainable::Projector => Vec::new(),
        }
    }

    fn last(&self) -> Vec<Parameter> {
        let mut parameters = match self.trainable {
            Trainable::Full => self.llava.llama.head_parameters(),
            Trainable::Lora(_) | Trainable::Projector => Vec::new(),
        };
        parameters.push(self.score_net_parameter());
        parameters
    }

    fn score_net_parameter(&self) -> Parameter {
        Parameter::new("score_net.weight", &self.score_net, true)
    }

    /// All parameters, trained or not, but for adapters.
    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let mut all = self.llava.parameters();
        all.push(self.score_net_parameter());
        all
    }

    /// Whether the embedding is trained and is the language head too.
    fn is_tied(&self) -> bool {
        self.trainable == Trainable::Full && self.llava.llama.is_tied()
    }

    /// Operations of a batch's matrix products but for attention's: 2 a number and token in the forward pass, as many for the gradients of
    /// inputs, and as many for those of weights that are trained.
    pub(super) fn flops(&self, load: Load) -> f64 {
        let passes = if self.trainable == Trainable::Full {
            6.0
        } else {
            4.0
        };
        let llama = &self.llava.llama;
        let one = llama.layers.first().map_or(0, |layer| {
            let matrices = layer.parameters(0).into_iter().filter(|p| p.decays);
            matrices.map(|matrix| matrix.value.numel()).sum()
        });
        let layers = (one * llama.layers.len()) as f64 * load.tokens as f64;
        passes * (layers + llama.head().numel() as f64 * load.places as f64)
    }

    /// Computes the loss of a batch and calls `take(block, gradients)` for every block, from the last to the first, with the gradients of
    /// the loss in the order of the block's parameters. Parameters of a block may be changed once its gradients were given.
    pub(super) fn run(
        &self,
        batch: &PackedBatch,
        features: &Tensor,
        recomputed_layers: usize,
        mut take: impl FnMut(usize, Vec<Tensor>),
    ) -> BatchResult {
        let weights = batch_weights(features, &self.score_net);
        if batch.places.is_empty() {
            return BatchResult {
                loss: None,
                weights: weights.detach(),
            };
        }
        let packing = self.llava.packing(batch);
        let layers = &self.llava.llama.layers;
        let places = Tensor::from_slice(&batch.places).to_device(self.llava.device());
        // Behind the last layer's attention, only supervised places are looked at.
        let forward = |index: usize, input: &Tensor| {
            if index + 1 == layers.len() {
                layers[index].forward_at(input, &packing, &places)
            } else {
                layers[index].forward(input, &packing)
            }
        };

        let embedded = self.llava.embed(batch);
        let mut kept = Vec::with_capacity(layers.len());
        let mut x = embedded.detach();
        for index in 0..layers.len() {
            let input = x.set_requires_grad(true);
            let output = if index < recomputed_layers {
                x = no_grad(|| forward(index, &input));
                None
            } else {
                let output = forward(index, &input);
                x = output.detach();
                Some(output)
            };
            kept.push(Kept { input, output });
        }

        let last = x.set_requires_grad(true);
        let loss = self.loss(&last, batch, &weights);
        let (mut gradient, tied) = self.head_backward(&loss, &last, &mut take);
        for index in (0..layers.len()).rev() {
            let Some(Kept { input, output }) = kept.pop() else {
                break;
            };
            let output = output.unwrap_or_else(|| forward(index, &input));
            let mut gradients = backward(&output, &gradient, [&input], &self.layer(index));
            gradient = gradients.remove(0);
            take(index + 1, gradients);
        }
        let mut gradients = backward(&embedded, &gradient, [], &self.first());
        if let Some(tied) = tied {
            gradients[0] = &gradients[0] + tied;
        }
        take(0, gradients);
        BatchResult {
            loss: Some(loss.detach()),
            weights: weights.detach(),
        }
    }

    /// `hidden` is the last layer's output at the supervised places: elsewhere the language head's scores would be thrown away.
    fn loss(&self, hidden: &Tensor, batch: &PackedBatch, weights: &Tensor) -> Tensor {
        let list = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(hidden.device());
        let logits = self.llava.llama.logits(hidden);
        let losses = token_losses(&logits, &list(&batch.targets));
        weighted_loss(&losses, &list(&batch.samples), weights)
    }

    /// Gradients of the last block go to `take`; back come that of the hidden states and, where the head is tied to the
    /// embedding, the head's share of the embedding's.
    fn head_backward(
        &self,
        loss: &Tensor,
        hidden: &Tensor,
        take: &mut impl FnMut(usize, Vec<Tensor>),
    ) -> (Tensor, Option<Tensor>) {
        let llama = &self.llava.llama;
        let mut first = vec![hidden];
        first.extend(self.is_tied().then_some(&llama.embedding));
        let mut gradients = backward(loss, &loss.ones_like(), first, &self.last());
        let own = gradients.split_off(1 + usize::from(self.is_tied()));
        take(llama.layers.len() + 1, own);
        let tied = self.is_tied().then(|| gradients.remove(1));
        (gradients.remove(0), tied)
    }
}

/// Gradients of the graph behind `output`, given that of `output`, with respect to `inputs` and then `parameters`. What the graph does not
/// reach (the projector in a batch without images) has gradient zero.
fn backward<'a>(
    output: &Tensor,
    gradient: &Tensor,
    inputs: impl IntoIterator<Item = &'a Tensor>,
    parameters: &'a [Parameter],
) -> Vec<Tensor> {
    let wanted: Vec<&Tensor> = inputs
        .into_iter()
        .chain(parameters.iter().map(|parameter| &parameter.value))
        .collect();
    if !output.requires_grad() {
        // Nothing of it is trained: words alone, where only the projector is.
        return wanted.iter().map(|value| value.zeros_like()).collect();
    }
    let found = gradients(output, gradient, &wanted).into_iter();
    let or_zero = |(gradient, value): (Option<Tensor>, &&Tensor)| {
        gradient.unwrap_or_else(|| value.zeros_like())
    };
    found.zip(&wanted).map(or_zero).collect()
}

#[cfg(test)]
mod tests;
