//! Picks rows that stand for all rows: facility location by lazy greedy (Minoux 1978; Wei, Iyer & Bilmes, ICML 2015).
//!
//! What is made large is f(S) = the sum over all rows of the largest cosine with a row of S, where cosines below 0 count
//! as 0. Again and again the row is picked by which f grows most (ties: the first row). f is monotone and submodular, so
//! the result is at least 1 - 1/e = 63 % of the best choice of as many rows (Nemhauser, Wolsey & Fisher 1978). Rows without
//! a vector are neither picked nor stood for, and it is said how many. Gives the rows of the input in the order picked, with
//! `pick` and `gain`: by how much f grew.
//!
//! Exact, and the same whatever the number of threads: what a row would gain never grows, in rounded arithmetic neither, so
//! that a row whose gain is known for an earlier S need not be looked at before it leads. The time is that of all pairs'
//! cosines once (rows x rows x values / 2 multiplications), and of a sum over all rows for each gain that is looked at anew.
//! 1 GiB of cosines is kept: those of 16,384 rows with each other. With more rows some are computed again and again. 500
//! picks of 10,000 rows of 1,536 values took 3.9 s on two cores; 100,000 rows would take an hour and more.
//!
//! ```yaml
//! standing_for_all: { kind: select.facility, input: instructions, vectors: clip.clip, count: 1000 }
//! ```

use trommel_engine::node::prelude::*;

use self::greedy::greedy;
use super::picks;
use super::vectors::{Length, Vectors, rows_with_vector};

mod cosines;
mod greedy;

/// Bytes of cosines that are kept: those of 16,384 rows with each other.
const KEPT: usize = 1 << 30;

/// Picks that stand for all rows.
pub struct Facility;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    /// What tells which rows are alike.
    pub vectors: ColumnRef,
    /// How many rows to pick.
    pub count: usize,
}

impl Kind for Facility {
    const NAME: &'static str = "select.facility";
    const VERSION: u32 = 2;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        picks::refuse_none(config.count, contract);
        contract.table("input", &config.input).passes();
        contract.column("vectors", &config.vectors, &[ColumnType::Vector]);
        contract
            .port("rows", RowsOf::New)
            .passes("input")
            .gives("pick", ColumnType::U32)
            .gives("gain", ColumnType::F64);
        contract.permit(Permit::Exclusive);
        contract.memory("vectors", 1.1);
        contract.memory_beside(KEPT as u64);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick {
            count: config.count,
        }))
    }
}

struct Pick {
    count: usize,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let column = inputs.column("vectors")?;
        let rows = rows_with_vector(&column, context)?;
        picks::warn_short(self.count, rows.len(), context);
        let vectors = Vectors::read(&column, &rows, Length::One)?;
        let count = self.count.min(rows.len());
        let kept = KEPT.max(size_of::<f32>() * vectors.dim() * vectors.len());
        let picked = greedy(
            &vectors,
            count,
            kept,
            picks::steps(rows.len() + count, context),
        )?;
        let (positions, gains): (Vec<usize>, Vec<f64>) = picked
            .iter()
            .map(|&(index, gain)| (rows[index], gain))
            .unzip();
        let input = inputs.table("input")?;
        picks::push(input, &positions, &[("gain", gains)], outputs, context)
    }
}
