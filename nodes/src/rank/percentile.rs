//! A score as its place among all: the share of rows below it.
//!
//! `score` is the share of rows with a smaller value, and half of those with an equal one (itself among them), so it lies between 0 and 1 and does not depend
//! on the scale of the value. `rank` 0 is the largest; equal ones follow the order of rows. Rows without a value have neither, and do not count.
//!
//! ```yaml
//! place: { kind: rank.percentile, value: clip_score.clip_score }
//! ```

use trommel_engine::node::prelude::*;

use super::scores;

/// The place among all rows.
pub struct Percentile;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A column of numbers.
    pub value: ColumnRef,
}

impl Kind for Percentile {
    const NAME: &'static str = "rank.percentile";
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
        scores::push(percentiles(&values), outputs)
    }
}

pub(super) fn percentiles(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let count = values.iter().flatten().count() as f64;
    let place =
        |(larger, equal): (usize, usize)| (count - larger as f64 - equal as f64 / 2.0) / count;
    let counts = scores::larger_and_equal(values).into_iter();
    counts.map(|counts| counts.map(place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_place() {
        let values = [Some(5.0), None, Some(1.0), Some(5.0), Some(9.0)];
        let expected = [Some(0.5), None, Some(0.125), Some(0.5), Some(0.875)];
        assert_eq!(percentiles(&values), expected);
        assert_eq!(percentiles(&[Some(3.0)]), [Some(0.5)]);
        assert_eq!(percentiles(&[None]), [None]);
    }
}
