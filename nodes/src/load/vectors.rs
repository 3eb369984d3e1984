//! Reads vectors that were computed elsewhere, one per row, in the order of `unique_idx`.
//!
//! `.safetensors` (one matrix N x D), `.npy` (C order, N x D), or the published program's `.pt` (a dict of
//! "0", "1", ... to vectors). f16, f32 and f64 become f32. Values that are not finite are errors, and so is a number
//! of vectors that is not that of the rows. Where rows were left out upstream (the numbers of `input` have gaps), a
//! file for the full data set will do.
//!
//! ```yaml
//! features: { kind: load.vectors, input: instructions, path: ../data/llava_clip_feature.pt, column: clip }
//! ```

use trommel_engine::node::prelude::*;
use trommel_engine::table::{CHUNK_ROWS, list_of_floats};

use super::positions::Positions;
use super::values_file::{self, Config};
use super::with_causes;

mod npy;
pub mod table;

/// Vectors of a file.
pub struct Vectors;

impl Kind for Vectors {
    const NAME: &'static str = "load.vectors";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        values_file::contract(config, ColumnType::Vector, contract);
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
        let fault = |e: table::VectorsError| NodeError::new(with_causes(&e));
        let positions = Positions::of(inputs.table("input")?)?;
        let vectors = table::Vectors::open(self.config.path.path(), &positions).map_err(fault)?;
        for rows in positions.rows().chunks(CHUNK_ROWS) {
            context.check_cancelled()?;
            let mut values = Vec::with_capacity(rows.len() * vectors.dim());
            // Neighbours in the table are nearly always neighbours in the file.
            for run in rows.chunk_by(|a, b| b.checked_sub(*a) == Some(1)) {
                values.extend(
                    vectors
                        .read(run[0]..run[run.len() - 1] + 1)
                        .map_err(fault)?,
                );
            }
            let list = list_of_floats(values, vectors.dim(), None)?;
            let field = Field::new(&self.config.column, list.data_type().clone(), false);
            outputs.push(
                "rows",
                RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(list)])?,
            )?;
        }
        Ok(())
    }
}
