//! Picks the rows whose score is large (or small) enough, in the order of the input.
//!
//! A row is picked where `min` <= score <= `max`; either bound may be left out. Rows without a score are not picked, and
//! it is said how many; NaN is an error. Gives the rows of the input with `pick` and `score`.
//!
//! ```yaml
//! fitting: { kind: select.threshold, input: instructions, score: clip_score.clip_score, min: 0.2 }
//! ```

use trommel_engine::node::prelude::*;

use super::{order, picks};

/// Scores within bounds.
pub struct Threshold;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{"required": ["min"]}, {"required": ["max"]}]))]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    pub score: ColumnRef,
    /// The smallest score that is picked.
    pub min: Option<f64>,
    /// The largest score that is picked.
    pub max: Option<f64>,
}

impl Kind for Threshold {
    const NAME: &'static str = "select.threshold";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract.table("input", &config.input).passes();
        contract.column("score", &config.score, &[ColumnType::Number]);
        contract
            .port("rows", RowsOf::New)
            .passes("input")
            .gives("pick", ColumnType::U32)
            .gives("score", ColumnType::F64);
        match (config.min, config.max) {
            (None, None) => contract.refuse(
                "score",
                "there is no bound: every row would be picked",
                "give `min`, `max` or both",
            ),
            (Some(min), _) if !min.is_finite() => refuse_bound("min", min, contract),
            (_, Some(max)) if !max.is_finite() => refuse_bound("max", max, contract),
            (Some(min), Some(max)) if min > max => contract.refuse(
                "min",
                format!("`min` is {min} and `max` is {max}: nothing lies between"),
                "`min` must not be larger than `max`",
            ),
            _ => {}
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick {
            min: config.min.unwrap_or(f64::NEG_INFINITY),
            max: config.max.unwrap_or(f64::INFINITY),
        }))
    }
}

fn refuse_bound(key: &'static str, bound: f64, contract: &mut Contract) {
    contract.refuse(
        key,
        format!("`{key}` is {bound}"),
        "give a finite number, or leave it out",
    );
}

struct Pick {
    min: f64,
    max: f64,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let scored = order::scored(&inputs.column("score")?)?;
        picks::warn_unscored(input.rows() - scored.len(), input.rows(), context);
        let within = scored
            .iter()
            .filter(|(_, s)| (self.min..=self.max).contains(s));
        let (positions, scores): (Vec<usize>, Vec<f64>) = within.copied().unzip();
        context.log(format!("{} of {} rows", positions.len(), input.rows()));
        picks::push(input, &positions, &[("score", scores)], outputs, context)
    }
}
