//! Picks the rows of the largest (or smallest) scores.
//!
//! Equal scores follow the order of rows. Rows without a score are not picked from; NaN is an error.
//! Gives the rows of the input in the order picked, with `pick` and `score`.
//!
//! ```yaml
//! hardest: { kind: select.top, input: instructions, score: difficulty.difficulty, count: 25000 }
//! ```

use trommel_engine::node::prelude::*;

use super::{order, picks};

/// The largest scores.
pub struct Top;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    pub score: ColumnRef,
    /// How many rows to pick.
    pub count: usize,
    /// Which end of the scores.
    #[serde(default)]
    pub order: Order,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    #[default]
    Largest,
    Smallest,
}

impl Kind for Top {
    const NAME: &'static str = "select.top";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        picks::refuse_none(config.count, contract);
        contract.table("input", &config.input).passes();
        contract.column("score", &config.score, &[ColumnType::Number]);
        contract
            .port("rows", RowsOf::New)
            .passes("input")
            .gives("pick", ColumnType::U32)
            .gives("score", ColumnType::F64);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick {
            count: config.count,
            order: config.order,
        }))
    }
}

struct Pick {
    count: usize,
    order: Order,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let mut scored = order::scored(&inputs.column("score")?)?;
        picks::warn_unscored(input.rows() - scored.len(), input.rows(), context);
        picks::warn_short(self.count, scored.len(), context);
        match self.order {
            Order::Largest => order::largest_first(&mut scored),
            Order::Smallest => order::smallest_first(&mut scored),
        }
        scored.truncate(self.count);
        let positions: Vec<usize> = scored.iter().map(|(row, _)| *row).collect();
        let columns = [("score", scored.iter().map(|(_, score)| *score).collect())];
        picks::push(input, &positions, &columns, outputs, context)
    }
}
