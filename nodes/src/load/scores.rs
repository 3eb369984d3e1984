//! Reads scores that were computed elsewhere: a JSON object of `unique_idx` to number or null.
//!
//! This is the form of the published program's files (CLIP score, ImageReward, judge, difficulty). Every row of the input must
//! be named; null means that it has no score, and the log says how many such rows there are. NaN, infinities, keys
//! that are no `unique_idx` of the input and keys that come twice are errors that name them. Where rows were left
//! out upstream (the numbers of `input` have gaps), a file for the full data set will do: only the scores of rows
//! that are there are taken.
//!
//! ```yaml
//! reward: { kind: load.scores, input: instructions, path: ../data/llava_imagereward.json, column: image_reward }
//! ```

use arrow::array::Float64Array;
use trommel_engine::node::prelude::*;

use super::positions::Positions;
use super::values_file::{self, Config};
use super::with_causes;

pub mod parse;

/// Scores of a file.
pub struct Scores;

impl Kind for Scores {
    const NAME: &'static str = "load.scores";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        values_file::contract(config, ColumnType::F64, contract);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Load {
            config: config.clone(),
        }))
    }
}

struct Load {
    config: Config,
}

impl TableNode for Load {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let positions = Positions::of(inputs.table("input")?)?;
        let values = parse::read_scores(self.config.path.path(), &positions)
            .map_err(|e| NodeError::new(with_causes(&e)))?;
        let without = values.iter().filter(|v| v.is_none()).count();
        if without > 0 {
            context.warn(format!(
                "{without} of {} rows have no score in {}",
                values.len(),
                self.config.path.path().display()
            ));
        }
        let field = Field::new(&self.config.column, DataType::Float64, true);
        let column: ArrayRef = Arc::new(Float64Array::from(values));
        outputs.push(
            "rows",
            RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column])?,
        )
    }
}
