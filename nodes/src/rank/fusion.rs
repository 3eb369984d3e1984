//! One score of several, by their ranks alone: reciprocal-rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009).
//!
//! `score` is the sum of 1 / (k + rank) over the columns, where rank 1 is the largest value and equal values share the mean of their ranks. A row without a value in a
//! column gets nothing for that column, and has no score where it has no value at all. `rank` 0 is the largest score; equal ones follow the order of rows.
//!
//! ```yaml
//! fused: { kind: rank.fusion, values: [clip_score.clip_score, reward.image_reward] }
//! ```

use trommel_engine::node::prelude::*;

use super::scores;

/// Reciprocal-rank fusion.
pub struct Fusion;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Columns of numbers; the larger, the better.
    pub values: Vec<ColumnRef>,
    /// The larger, the less the first places count.
    #[serde(default = "sixty")]
    pub k: f64,
}

fn sixty() -> f64 {
    60.0
}

impl Kind for Fusion {
    const NAME: &'static str = "rank.fusion";
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
                "there is nothing to fuse",
                "name columns of numbers",
            );
        }
        if !(0.0..f64::MAX).contains(&config.k) {
            contract.refuse(
                "k",
                format!("`k` is {}", config.k),
                "it must be a number of 0 or more",
            );
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Fuse { k: config.k }))
    }
}

struct Fuse {
    k: f64,
}

impl TableNode for Fuse {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        _: &Context<'_>,
    ) -> Result<(), NodeError> {
        let columns = inputs.columns("values");
        let values = columns.iter().map(scores::finite);
        let values = values.collect::<Result<Vec<_>, _>>()?;
        scores::push(fused(&values, self.k), outputs)
    }
}

fn fused(columns: &[Vec<Option<f64>>], k: f64) -> Vec<Option<f64>> {
    let mut sums = vec![None; columns.first().map_or(0, Vec::len)];
    for column in columns {
        for (sum, counts) in sums.iter_mut().zip(scores::larger_and_equal(column)) {
            if let Some((larger, equal)) = counts {
                // The ranks of the equal ones are larger + 1 to larger + equal.
                let rank = larger as f64 + f64::midpoint(equal as f64, 1.0);
                *sum = Some(sum.unwrap_or(0.0) + 1.0 / (k + rank));
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_fused_and_equal_values_share_theirs() {
        let columns = [
            vec![Some(9.0), Some(1.0), Some(5.0), None],
            vec![Some(2.0), Some(2.0), None, None],
        ];
        let expected = [
            Some(1.0 / 61.0 + 1.0 / 61.5),
            Some(1.0 / 63.0 + 1.0 / 61.5),
            Some(1.0 / 62.0),
            None,
        ];
        assert_eq!(fused(&columns, 60.0), expected);
    }
}
