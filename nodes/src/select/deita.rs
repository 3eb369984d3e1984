//! Picks the largest scores, but no row that is too much like one picked before: DEITA's score-first, diversity-aware
//! selection (Liu et al., ICLR 2024, arXiv 2312.15685, section 2.4).
//!
//! Rows are looked at from the largest score down (ties: in their order), and a row is picked unless its cosine with a row
//! picked before is above `similarity` (0.9 in the paper), until there are `count`. DEITA's score is complexity times
//! quality: any column of numbers will do here. Fewer rows than `count` are picked, and that is said, where no more are
//! different enough. Rows without a score are not picked from; a row that has a score must have a vector. Gives the rows of
//! the input in the order picked, with `pick` and `score`.
//!
//! ```yaml
//! selected: { kind: select.deita, input: instructions, score: reward.image_reward, vectors: clip.clip, count: 6000 }
//! ```

use trommel_engine::node::prelude::*;

use super::apart::apart;
use super::vectors::{Length, Vectors};
use super::{order, picks};

/// The largest scores that are not alike.
pub struct Deita;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    /// The larger, the sooner picked.
    pub score: ColumnRef,
    /// What tells which rows are alike.
    pub vectors: ColumnRef,
    /// How many rows to pick.
    pub count: usize,
    /// The cosine with a row picked before above which a row is not picked.
    #[serde(default = "similarity")]
    #[schemars(range(min = -1.0, max = 1.0))]
    pub similarity: f64,
}

fn similarity() -> f64 {
    0.9
}

impl Kind for Deita {
    const NAME: &'static str = "select.deita";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        picks::refuse_none(config.count, contract);
        contract.table("input", &config.input).passes();
        contract.column("score", &config.score, &[ColumnType::Number]);
        contract.column("vectors", &config.vectors, &[ColumnType::Vector]);
        contract
            .port("rows", RowsOf::New)
            .passes("input")
            .gives("pick", ColumnType::U32)
            .gives("score", ColumnType::F64);
        contract.permit(Permit::Exclusive);
        // A copy in the order of scores, and one of what is picked.
        contract.memory("vectors", 2.2);
        picks::refuse_no_cosine(config.similarity, contract);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick {
            count: config.count,
            similarity: config.similarity,
        }))
    }
}

struct Pick {
    count: usize,
    similarity: f64,
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
        order::largest_first(&mut scored);
        let rows: Vec<usize> = scored.iter().map(|(row, _)| *row).collect();
        let vectors = Vectors::read(&inputs.column("vectors")?, &rows, Length::One)?;
        let alike = apart(
            &vectors,
            self.similarity,
            self.count,
            picks::steps(rows.len(), context),
        )?;
        let looked_at = scored.iter().zip(&alike);
        let (positions, scores): (Vec<usize>, Vec<f64>) = looked_at
            .filter(|(_, alike)| alike.is_none())
            .map(|(&scored, _)| scored)
            .unzip();
        context.log(format!(
            "{} of {} rows looked at were too much like one picked before",
            alike.len() - positions.len(),
            alike.len()
        ));
        if positions.len() < self.count {
            context.warn(format!(
                "`count` is {}, and only {} rows are different enough: they are picked",
                self.count,
                positions.len()
            ));
        }
        picks::push(input, &positions, &[("score", scores)], outputs, context)
    }
}
