//! What is said of an update.

use serde::{Deserialize, Serialize};

/// What is written down of an update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRow {
    /// Counted from 0.
    pub step: u64,
    /// Samples seen, this update's included, over samples there are.
    pub epoch: f64,
    /// The learning rate of this update.
    pub lr: f64,
    /// The weighted loss before the update, in nats per token. None: no sample of the batch had a label, and nothing was changed.
    pub loss: Option<f64>,
    /// The global norm of all gradients, before clipping.
    pub grad_norm: Option<f64>,
    /// Supervised tokens.
    pub label_tokens: u64,
    pub seconds: f64,
    /// How evenly the samples of a batch are weighted: see [`weight_entropy`]. The mean over the batches of the update.
    pub weight_entropy: f64,
}

/// An update as its caller sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    pub log: LogRow,
    /// For every batch of the update its samples' `unique_idx` and weights.
    pub weights: Vec<Vec<(u64, f32)>>,
    /// Tokens that went through the model, image patches included.
    pub tokens: usize,
    /// Operations of the matrix products, forward and backward, each counted once.
    pub flops: f64,
    /// Layers whose activations were computed twice.
    pub recomputed_layers: usize,
}

/// The entropy of a batch's weights as a share of what equal weights have: 1 where all are equal, 0 where one sample has all the weight. A
/// batch of one sample counts as equal.
pub(super) fn weight_entropy(weights: impl ExactSizeIterator<Item = f32>) -> f64 {
    let most = (weights.len() as f64).ln();
    let part = |weight: f32| {
        let weight = f64::from(weight);
        if weight > 0.0 {
            -weight * weight.ln()
        } else {
            0.0
        }
    };
    let entropy: f64 = weights.map(part).sum();
    if most > 0.0 { entropy / most } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_goes_from_one_sample_to_all() {
        let of = |weights: &[f32]| weight_entropy(weights.iter().copied());
        assert!((of(&[0.25; 4]) - 1.0).abs() < 1e-6);
        assert!(of(&[0.0, 1.0, 0.0]).abs() < 1e-9);
        assert!((of(&[0.5, 0.5, 0.0, 0.0]) - 0.5).abs() < 1e-6);
        assert!((of(&[1.0]) - 1.0).abs() < f64::EPSILON);
    }
}
