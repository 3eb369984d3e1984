//! Reads scores that were computed elsewhere: a JSON object of `unique_idx` to number or null.
//!
//! This is the form of the published program's files (CLIP score, ImageReward, judge). Every row of the input must
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
use super::with_causes;

pub mod parse;

/// Scores of a file.
pub struct Scores;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows that the scores belong to.
    pub input: TableRef,
    /// A JSON object: `{"0": 0.5, "1": null}`.
    pub path: DataPath,
    /// The name of the column to give.
    pub column: String,
}

impl Kind for Scores {
    const NAME: &'static str = "load.scores";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract
            .table("input", &config.input)
            .reads(UNIQUE_IDX, &[ColumnType::U64]);
        contract.file("path", &config.path);
        contract
            .port("rows", RowsOf::Input("input"))
            .gives(&config.column, ColumnType::F64);
        super::refuse_own_names(contract, &config.column);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Load {
            path: config.path.path().to_owned(),
            column: config.column.clone(),
        }))
    }
}

struct Load {
    path: std::path::PathBuf,
    column: String,
}

impl TableNode for Load {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let positions = Positions::of(inputs.table("input")?)?;
        let values = parse::read_scores(&self.path, &positions)
            .map_err(|e| NodeError::new(with_causes(&e)))?;
        let without = values.iter().filter(|v| v.is_none()).count();
        if without > 0 {
            context.warn(format!(
                "{without} of {} rows have no score in {}",
                values.len(),
                self.path.display()
            ));
        }
        let field = Field::new(&self.column, DataType::Float64, true);
        let column: ArrayRef = Arc::new(Float64Array::from(values));
        outputs.push(
            "rows",
            RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column])?,
        )
    }
}
