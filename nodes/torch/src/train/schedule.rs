//! The learning rate over time: linear warm-up, then half a cosine down to 0.

use std::f64::consts::PI;

/// Learning rates of a run with a known number of updates.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    peak: f64,
    warmup: usize,
    updates: usize,
}

impl Schedule {
    /// Warm-up takes ceil(`warmup_ratio` * `updates`) updates.
    pub fn cosine(peak: f64, warmup_ratio: f64, updates: usize) -> Self {
        Self {
            peak,
            warmup: (warmup_ratio * updates as f64).ceil() as usize,
            updates,
        }
    }

    /// The rate of update `update`, counted from 0. With a warm-up the first one is exactly 0: it only fills the moments.
    pub fn rate(&self, update: usize) -> f64 {
        if update < self.warmup {
            return self.peak * (update as f64 / self.warmup as f64);
        }
        let behind = self.updates.saturating_sub(self.warmup).max(1);
        let progress = (update - self.warmup) as f64 / behind as f64;
        self.peak * (0.5 * (1.0 + (PI * progress).cos())).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// s = get_cosine_schedule_with_warmup(AdamW([torch.zeros(1)], lr=0.002), math.ceil(0.1 * 11), 11)
    /// for _ in range(11): print(s.get_last_lr()[0]); s.optimizer.step(); s.step()
    /// ```
    #[test]
    fn matches_transformers() {
        let schedule = Schedule::cosine(0.002, 0.1, 11);
        let expected = [
            0.0,
            0.001,
            0.002,
            0.001_939_692_620_785_908_4,
            0.001_766_044_443_118_978,
            0.0015,
            0.001_173_648_177_666_930_7,
            0.000_826_351_822_333_069_7,
            0.000_500_000_000_000_000_2,
            0.000_233_955_556_881_022_1,
            6.030_737_921_409_168_4e-5,
        ];
        for (update, rate) in expected.into_iter().enumerate() {
            assert!(
                (schedule.rate(update) - rate).abs() < 1e-17,
                "{update}: {}",
                schedule.rate(update)
            );
        }
    }

    #[test]
    fn without_a_warm_up_the_first_rate_is_the_peak() {
        let schedule = Schedule::cosine(1.0, 0.0, 4);
        assert!((schedule.rate(0) - 1.0).abs() < f64::EPSILON);
        assert!(schedule.rate(4).abs() < f64::EPSILON);
    }
}
