//! A score in standard deviations from the mean.
//!
//! `score` is (value - mean) / standard deviation, both over all rows that have a value (the deviation of the population, not of a sample); 0 for all where they do not differ.
//! `rank` 0 is the largest; equal ones follow the order of rows. Rows without a value have neither.
//!
//! ```yaml
//! standard: { kind: rank.zscore, value: clip_score.clip_score }
//! ```

use trommel_engine::node::prelude::*;

use super::scores;

/// Standard deviations from the mean.
pub struct Zscore;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A column of numbers.
    pub value: ColumnRef,
}

impl Kind for Zscore {
    const NAME: &'static str = "rank.zscore";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract.column("value", &config.value, &[ColumnType::Number]);
        scores::promise("value", contract);
    }

    fn build(_: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Rank))
    }
}

struct Rank;

impl TableNode for Rank {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        _: &Context<'_>,
    ) -> Result<(), NodeError> {
        let values = scores::finite(&inputs.column("value")?)?;
        scores::push(zscores(&values), outputs)
    }
}

pub(super) fn zscores(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let there = || values.iter().copied().flatten();
    let largest = there().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if largest == 0.0 {
        return values.to_vec();
    }
    let count = there().count() as f64;
    // Scaled first: squares of very large values would be infinite, of very small ones zero.
    let mean = there().map(|value| value / largest / count).sum::<f64>();
    let squares = there().map(|value| (value / largest - mean).powi(2) / count);
    let deviation = squares.sum::<f64>().sqrt();
    // Rounding may leave equal values a little off their mean.
    let alike = deviation == 0.0 || there().all(|value| Some(value) == there().next());
    let score = |value: f64| {
        if alike {
            0.0
        } else {
            (value / largest - mean) / deviation
        }
    };
    values.iter().map(|value| value.map(score)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn mean_0_and_deviation_1(values in prop::collection::vec(prop::option::of(-1e3..1e3), 2..50), power in -300_i32..300) {
            let scaled: Vec<Option<f64>> = values.iter().map(|v| v.map(|v: f64| v * 10_f64.powi(power))).collect();
            let scores: Vec<f64> = zscores(&scaled).into_iter().flatten().collect();
            prop_assume!(scores.len() > 1);
            let count = scores.len() as f64;
            let mean = scores.iter().sum::<f64>() / count;
            let deviation = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / count).sqrt();
            prop_assert!(mean.abs() < 1e-6 && (deviation - 1.0).abs() < 1e-6, "{mean} {deviation}");
        }
    }

    #[test]
    fn equal_values_are_0() {
        assert_eq!(
            zscores(&[Some(0.1), None, Some(0.1), Some(0.1)]),
            [Some(0.0), None, Some(0.0), Some(0.0)]
        );
        assert_eq!(zscores(&[Some(0.0), Some(0.0)]), [Some(0.0), Some(0.0)]);
        assert_eq!(zscores(&[None, None]), [None, None]);
        assert_eq!(zscores(&[Some(1.0), Some(2.0)]), [Some(-1.0), Some(1.0)]);
    }
}
