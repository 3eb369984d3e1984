//! The weighted loss. Arithmetic is float32 whatever the model's kind.

use tch::{Kind, Tensor};

use crate::shim::cross_entropy;

/// The weights of a batch's samples: softmax over the batch of the score net's outputs. `features` `[B, F]`, `score_net` `[1, F]`
/// -> `[B]`, summing to 1.
pub fn batch_weights(features: &Tensor, score_net: &Tensor) -> Tensor {
    features
        .linear(score_net, None::<&Tensor>)
        .squeeze_dim(-1)
        .softmax(0, Kind::Float)
}

/// Cross entropy of every supervised place, in nats. `logits` `[N, vocabulary]`, `targets` int64 `[N]` -> `[N]`.
///
/// log softmax, and not the logarithm of a softmax: that one is infinite where a probability underflows.
pub fn token_losses(logits: &Tensor, targets: &Tensor) -> Tensor {
    cross_entropy(logits, targets)
}

/// Σ B·w(sample of t)·loss(t) / N over the N supervised places t of a batch of B samples. `losses` `[N]`, `samples` int64 `[N]`
/// (the sample of each place), `weights` `[B]` -> scalar. N must not be 0: such a batch has no loss.
pub fn weighted_loss(losses: &Tensor, samples: &Tensor, weights: &Tensor) -> Tensor {
    let scale = weights.size()[0] as f64 / losses.size()[0] as f64;
    (weights.index_select(0, samples) * losses).sum(Kind::Float) * scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::layers::number;

    /// ```python
    /// x = torch.tensor([[1., 2.], [-1., .5], [0., -3.]]); w = torch.tensor([[.3, -.2]])
    /// logits = torch.tensor([[2., 0., -1.], [.5, .5, 3.], [-2., 1., 0.], [0., 0., 0.]]); y = torch.tensor([0, 2, 0, 1])
    /// s = torch.tensor([0, 0, 1, 2]); p = F.linear(x, w).squeeze(-1).softmax(0)
    /// nll = F.cross_entropy(logits, y, reduction="none"); print(p, nll, (3 * p[s] * nll).sum() / 4)
    /// ```
    #[test]
    fn matches_pytorch() {
        let features = Tensor::from_slice2(&[[1f32, 2.0], [-1.0, 0.5], [0.0, -3.0]]);
        let weights = batch_weights(&features, &Tensor::from_slice2(&[[0.3f32, -0.2]]));
        close(&weights, &[0.266_342, 0.197_311_03, 0.536_347]);
        let logits = Tensor::from_slice2(&[
            [2f32, 0.0, -1.0],
            [0.5, 0.5, 3.0],
            [-2.0, 1.0, 0.0],
            [0.0; 3],
        ]);
        let losses = token_losses(&logits, &Tensor::from_slice(&[0i64, 2, 0, 1]));
        close(
            &losses,
            &[0.169_846_04, 0.152_008_41, 3.349_012_1, 1.098_612_3],
        );
        let loss = weighted_loss(&losses, &Tensor::from_slice(&[0i64, 0, 1, 2]), &weights);
        assert!(
            (number(&loss) - 1.001_818_299).abs() < 1e-6,
            "{}",
            number(&loss)
        );
    }

    #[test]
    fn a_probability_that_underflows_keeps_the_loss_finite() {
        let logits = Tensor::from_slice2(&[[200f32, 0.0]]);
        assert!(
            (number(&token_losses(&logits, &Tensor::from_slice(&[1i64]))) - 200.0).abs() < 1e-6
        );
    }

    fn close(found: &Tensor, expected: &[f32]) {
        let worst = number(&(found - Tensor::from_slice(expected)).abs().max());
        assert!(worst < 1e-6, "{worst}");
    }
}
