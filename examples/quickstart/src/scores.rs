//! The recorded scores: made by rule, with noise, where a real project would have run a reward model and a chat model.

use crate::rng::Rng;
use crate::scene::Scene;
use crate::talk::Turn;

/// Stands in for `ImageReward`, whose values lie around -2 to 2 and fall when text and picture disagree:
/// 1 - 0.15 per further shape - 1.2 for a wrong answer, with noise of at most 0.9. Three decimals.
pub(crate) fn image_reward(rng: &mut Rng, scene: &Scene, wrong: bool) -> f64 {
    let further = scene.shapes.len().saturating_sub(1) as i32;
    let thousandths = 1000 - 150 * further - if wrong { 1200 } else { 0 } + rng.noise(300);
    f64::from(thousandths) / 1000.0
}

/// Stands in for a chat model that reads the text alone (so it cannot see that an answer is wrong) and likes
/// longer answers: 4 + one point per five words, with noise of at most 3. A whole number, 0 to 10.
pub(crate) fn judge(rng: &mut Rng, turns: &[Turn]) -> f64 {
    let words: usize = turns
        .iter()
        .map(|turn| turn.answer.split_whitespace().count())
        .sum();
    f64::from((4 + words as i32 / 5 + rng.noise(1)).clamp(0, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_answer_costs_reward() {
        let mean = |wrong| -> f64 {
            let reward = |purpose| {
                let mut rng = Rng::stream(3, purpose);
                let scene = Scene::one_big(&mut rng);
                image_reward(&mut rng, &scene, wrong)
            };
            (0..500).map(reward).sum::<f64>() / 500.0
        };
        assert!((mean(false) - 1.0).abs() < 0.1 && (mean(true) + 0.2).abs() < 0.1);
    }
}
