//! One score of several: their weighted sum.
//!
//! `score` is the sum of weight * value, after each column was brought to a common scale where `scale` says so: `percentile` (as rank.percentile) or `zscore` (as
//! rank.zscore), over all rows that have a value. `rank` 0 is the largest; equal ones follow the order of rows. A row that lacks one of the values has neither.
//!
//! ```yaml
//! both: { kind: rank.weighted, values: [clip_score.clip_score, reward.image_reward], weights: [0.3, 0.7], scale: zscore }
//! ```

use trommel_engine::node::prelude::*;

use super::percentile::percentiles;
use super::scores;
use super::zscore::zscores;

/// A weighted sum.
pub struct Weighted;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Columns of numbers.
    pub values: Vec<ColumnRef>,
    /// A weight for each column.
    pub weights: Vec<f64>,
    /// What is done to each column before.
    #[serde(default)]
    pub scale: Scale,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    #[default]
    None,
    Percentile,
    Zscore,
}

impl Kind for Weighted {
    const NAME: &'static str = "rank.weighted";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        for value in &config.values {
            contract.column("values", value, &[ColumnType::Number]);
        }
        scores::promise("values", contract);
        if config.values.is_empty() {
            contract.refuse(
                "values",
                "there is nothing to sum",
                "name columns of numbers",
            );
        }
        if config.weights.len() != config.values.len() {
            contract.refuse(
                "weights",
                format!(
                    "there are {} weights for {} columns",
                    config.weights.len(),
                    config.values.len()
                ),
                "give each column a weight, in their order",
            );
        }
        if config.weights.iter().any(|weight| !weight.is_finite()) {
            contract.refuse("weights", "a weight is no finite number", "give numbers");
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Sum {
            weights: config.weights.clone(),
            scale: config.scale,
        }))
    }
}

struct Sum {
    weights: Vec<f64>,
    scale: Scale,
}

impl TableNode for Sum {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        _: &Context<'_>,
    ) -> Result<(), NodeError> {
        let mut sums: Option<Vec<Option<f64>>> = None;
        for (column, weight) in inputs.columns("values").iter().zip(&self.weights) {
            let values = scores::finite(column)?;
            let scaled = match self.scale {
                Scale::None => values,
                Scale::Percentile => percentiles(&values),
                Scale::Zscore => zscores(&values),
            };
            let weighted = scaled.into_iter().map(|value| Some(value? * weight));
            sums = Some(match sums {
                None => weighted.collect(),
                Some(sums) => sums
                    .into_iter()
                    .zip(weighted)
                    .map(|(a, b)| Some(a? + b?))
                    .collect(),
            });
        }
        let sums = sums.unwrap_or_default();
        if let Some(row) = sums
            .iter()
            .position(|sum| sum.is_some_and(|s| !s.is_finite()))
        {
            return Err(
                NodeError::new(format!("the sum of row {row} is too large for a number"))
                    .help("scale the values, or give smaller weights"),
            );
        }
        scores::push(sums, outputs)
    }
}
