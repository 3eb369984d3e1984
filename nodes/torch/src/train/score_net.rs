//! The score net: one weight per feature component, no bias. Its output, softmaxed over a batch, weighs the samples.

use std::f64::consts::TAU;

use super::order::Random;

/// One weight of a trained score net, with the name of the feature that it belongs to: the net cannot be applied to others by mistake.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreNetRow {
    pub feature: String,
    pub component: u32,
    pub weight: f32,
    /// The range a scalar was scaled from; none for components of vectors.
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// Standard deviation of a fresh score net's weights: the language model's own initializer range.
const DEVIATION: f64 = 0.02;

/// `width` weights from normal(0, 0.02): Box-Muller over the generator of (seed, `score_net`, 0), cosine and sine parts in turn.
/// The logarithm and the cosine are those of libm, not the platform's, so all machines agree to the last bit.
pub fn initial_weights(seed: u64, width: usize) -> Vec<f32> {
    let mut random = Random::new(seed, b"score_net", 0);
    let mut pair = || {
        let radius = DEVIATION * libm::sqrt(-2.0 * libm::log(random.unit()));
        let (sin, cos) = libm::sincos(TAU * random.unit());
        [radius * cos, radius * sin]
    };
    (0..width.div_ceil(2))
        .flat_map(|_| pair())
        .map(|weight| weight as f32)
        .take(width)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_normal_with_deviation_0_02() {
        let weights = initial_weights(42, 100_001);
        let count = weights.len() as f64;
        let moment = |power: i32| {
            weights
                .iter()
                .map(|&w| (f64::from(w) / DEVIATION).powi(power))
                .sum::<f64>()
                / count
        };
        assert_eq!(weights.len(), 100_001);
        assert!(
            moment(1).abs() < 0.01
                && (moment(2) - 1.0).abs() < 0.02
                && (moment(4) - 3.0).abs() < 0.1
        );
    }

    #[test]
    fn the_weights_of_a_seed_never_change() {
        assert_eq!(
            initial_weights(42, 3),
            [-0.020_061_59, -0.023_198_579, -0.005_961_358]
        );
        assert_ne!(initial_weights(43, 3), initial_weights(42, 3));
    }
}
