//! Picks rows at random, the same ones for the same `seed`.
//!
//! A row's lot is a digest of the seed and the row's key, and the smallest lots are picked: the same records
//! are picked whatever their order, and a larger `count` only adds to them. The baseline that every selection
//! has to beat.
//!
//! ```yaml
//! baseline: { kind: select.random, input: instructions, count: 25000, seed: 42 }
//! ```

use trommel_engine::node::prelude::*;

use super::picks;

/// Random rows.
pub struct Random;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    /// How many rows to pick.
    pub count: usize,
    #[serde(default = "seed")]
    pub seed: u64,
}

pub(super) fn seed() -> u64 {
    42
}

impl Kind for Random {
    const NAME: &'static str = "select.random";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        picks::refuse_none(config.count, contract);
        contract.table("input", &config.input).passes();
        contract
            .port("rows", RowsOf::New)
            .passes("input")
            .gives("pick", ColumnType::U32);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick {
            count: config.count,
            seed: config.seed,
        }))
    }
}

struct Pick {
    count: usize,
    seed: u64,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let (rows, _) = picks::ranked(inputs, false, self.seed, context)?;
        picks::warn_short(self.count, rows.len(), context);
        let positions = &rows[..self.count.min(rows.len())];
        picks::push(input, positions, &[], outputs, context)
    }
}
