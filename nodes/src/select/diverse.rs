//! Picks the hardest rows that are not alike: the greedy rule of Self-Filter's stage 2.
//!
//! Again and again the row of the largest current score is picked (ties: the smallest row), and the scores of
//! its `k` nearest neighbours that are left (cosine over `vectors`, f32) fall by score * cosine^2 * `gamma`,
//! in f64 (arXiv 2402.12501, section 3.3). Exact: the picks are those of the plain rule, whatever the number
//! of threads, and with `device` too. Gives the rows of the input in the order picked, with `pick`, `difficulty` (the score as it was)
//! and `penalised` (the score when it was picked). Rows without a score are not picked from. The port `lowered` tells what each pick did
//! to its neighbours: their `unique_idx`, the cosine, and their score afterwards, in the order in which it happened.
//!
//! ```yaml
//! selected: { kind: select.diverse, input: instructions, score: difficulty.difficulty, vectors: clip.clip, count: 25000 }
//! ```

use arrow::array::{Float32Array, Float64Array, UInt32Array, UInt64Array};
use trommel_engine::node::prelude::*;
use trommel_engine::table::{CHUNK_ROWS, FloatRows};

use self::greedy::{GreedyError, Lowered, Selection, greedy};
use self::near::{InWorker, Near};
use self::rows::Rows;
use super::picks;

mod basis;
mod best;
pub(super) mod dot;
pub mod greedy;
pub mod near;
pub mod rows;
pub(super) mod scan;
mod similar;
pub(super) mod sketch;

/// Hard and diverse rows.
pub struct Diverse;

/// The port of what picks did to their neighbours.
pub(crate) const LOWERED: &str = "lowered";

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
    /// Neighbours whose score falls with each pick.
    #[serde(default = "ten")]
    pub k: usize,
    /// How much it falls.
    #[serde(default = "one")]
    pub gamma: f64,
    /// Lets the worker look for neighbours, on this device (`auto`, `cpu`, `cuda:N`), which has to have room for the vectors. The
    /// picks are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
}

fn ten() -> usize {
    10
}

fn one() -> f64 {
    1.0
}

impl Kind for Diverse {
    const NAME: &'static str = "select.diverse";
    const VERSION: u32 = 2;
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
            .gives("difficulty", ColumnType::F64)
            .gives("penalised", ColumnType::F64);
        contract
            .port(LOWERED, RowsOf::Plain)
            .gives("pick", ColumnType::U32)
            .gives("neighbour", ColumnType::U64)
            .gives("similarity", ColumnType::F32)
            .gives("score", ColumnType::F64);
        contract.permit(Permit::Exclusive);
        // Where some rows have no score, those of the others are copied.
        contract.memory("vectors", 2.2);
        contract.speed_only(&["device"]);
        if !config.gamma.is_finite() {
            contract.refuse(
                "gamma",
                format!("`gamma` is {}", config.gamma),
                "it must be a finite number",
            );
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Pick {
            count: config.count,
            k: config.k,
            gamma: config.gamma,
            device: config.device,
        }))
    }
}

struct Pick {
    count: usize,
    k: usize,
    gamma: f64,
    device: Option<Device>,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let scores = inputs.column("score")?.floats()?;
        let vectors = inputs.column("vectors")?.vectors()?;
        let candidates: Vec<usize> = (0..scores.len())
            .filter(|&row| scores[row].is_some())
            .collect();
        picks::warn_unscored(scores.len() - candidates.len(), scores.len(), context);
        picks::warn_short(self.count, candidates.len(), context);
        let difficulty: Vec<f64> = scores.into_iter().flatten().collect();
        let gathered = gather(&candidates, &vectors)?;
        let width = vectors.iter().map(FloatRows::width).max().unwrap_or(0);
        let chunks: Vec<&[f32]> = match &gathered {
            Some(values) => vec![values],
            None => vectors.iter().map(FloatRows::values).collect(),
        };
        let selection = if candidates.is_empty() {
            Selection::default()
        } else {
            let rows = Rows::new(width, chunks)
                .ok_or_else(|| NodeError::new("`vectors` holds vectors of different lengths"))?;
            let device = self.device;
            let mut near = device
                .map(|device| InWorker::new(device, inputs, &candidates, context))
                .transpose()?;
            let near = near.as_mut().map(|near| near as &mut dyn Near);
            greedy(&difficulty, &rows, self.count, self.k, self.gamma, near).map_err(in_words)?
        };
        let picked = &selection.picks;
        let positions: Vec<usize> = picked.iter().map(|p| candidates[p.index]).collect();
        let columns = [
            ("difficulty", picked.iter().map(|p| p.difficulty).collect()),
            ("penalised", picked.iter().map(|p| p.penalised).collect()),
        ];
        picks::push(input, &positions, &columns, outputs, context)?;
        push_lowered(&selection.lowered, &candidates, input, outputs)
    }
}

fn push_lowered(
    lowered: &[Lowered],
    candidates: &[usize],
    input: &Table,
    outputs: &mut dyn Outputs,
) -> Result<(), NodeError> {
    let numbers = input.unique_idx()?;
    // A table without rows still has its columns.
    let empty = lowered.is_empty().then_some(lowered);
    for lowered in lowered.chunks(16 * CHUNK_ROWS).chain(empty) {
        let picks = lowered.iter().map(|l| l.pick as u32);
        let neighbours = lowered.iter().map(|l| numbers[candidates[l.index]]);
        let similarities = lowered.iter().map(|l| l.similarity);
        let scores = lowered.iter().map(|l| l.difficulty);
        let columns: [(_, ArrayRef); 4] = [
            ("pick", Arc::new(UInt32Array::from_iter_values(picks))),
            (
                "neighbour",
                Arc::new(UInt64Array::from_iter_values(neighbours)),
            ),
            (
                "similarity",
                Arc::new(Float32Array::from_iter_values(similarities)),
            ),
            ("score", Arc::new(Float64Array::from_iter_values(scores))),
        ];
        outputs.push(LOWERED, RecordBatch::try_from_iter(columns)?)?;
    }
    Ok(())
}

/// The vectors of the candidates, where those are not simply all rows.
fn gather(candidates: &[usize], vectors: &[FloatRows]) -> Result<Option<Vec<f32>>, NodeError> {
    let all: usize = vectors.iter().map(FloatRows::rows).sum();
    let mut rows = vectors
        .iter()
        .flat_map(|chunk| (0..chunk.rows()).map(move |row| chunk.row(row)));
    let mut missing = Vec::new();
    if candidates.len() == all {
        missing.extend(
            rows.enumerate()
                .filter(|(_, v)| v.is_none())
                .map(|(row, _)| row),
        );
        return refuse_missing(&missing).map(|()| None);
    }
    let width = vectors.iter().map(FloatRows::width).max().unwrap_or(0);
    let mut values = Vec::with_capacity(candidates.len() * width);
    let mut next = 0;
    for &row in candidates {
        let vector = rows.nth(row - next).flatten();
        next = row + 1;
        match vector {
            Some(vector) => values.extend_from_slice(vector),
            None => missing.push(row),
        }
    }
    refuse_missing(&missing).map(|()| Some(values))
}

fn refuse_missing(rows: &[usize]) -> Result<(), NodeError> {
    if rows.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = rows.iter().take(20).map(ToString::to_string).collect();
    Err(NodeError::new(format!(
        "{} rows have a score and no vector: rows {}",
        rows.len(),
        named.join(", ")
    ))
    .help("give them vectors, or no score"))
}

fn in_words(error: GreedyError) -> NodeError {
    match error {
        GreedyError::Near(error) => error,
        other => NodeError::new(other.to_string()),
    }
}
