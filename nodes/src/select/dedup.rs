//! Leaves duplicates out: rows with the same values, with nearly the same perceptual hash, or with nearly the same vector.
//!
//! One of the three says what a duplicate is: `keys` (all these columns are equal, null being equal to null), `hash` (at
//! most `distance` of the 64 bits differ, for columns such as `image_phash` of score.image), or `vectors` (a cosine above
//! `similarity`). Rows are looked at from the largest `score` down (ties and rows without a score: in their order), and a
//! row is kept unless one that is kept already is its duplicate. So no two rows kept are duplicates, and every row left out
//! has a duplicate among those kept; likeness is not passed on from row to row, as it would be in groups. A row that has
//! nothing to compare (all keys null, no hash, no vector, or a vector of zeros) is kept.
//!
//! Gives the rows kept, in the order of the input, with `pick`. The port `duplicates` says of each row left out (its
//! `unique_idx`) which row kept it is a duplicate of (`kept`, a `unique_idx`; the first of them that was looked at).
//!
//! ```yaml
//! distinct: { kind: select.dedup, input: instructions, vectors: clip.clip, similarity: 0.95, score: difficulty.difficulty }
//! ```

use arrow::array::UInt64Array;
use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use self::find::Alike;
use super::{order, picks};

mod find;

/// Rows without their duplicates.
pub struct Dedup;

/// The port of what was left out.
const DUPLICATES: &str = "duplicates";

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["keys"]}, {"required": ["hash"]}, {"required": ["vectors"]}]))]
pub struct Config {
    /// The rows to pick from.
    pub input: TableRef,
    /// Columns that duplicates have in common.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<ColumnRef>,
    /// A column of hashes of 64 bits (u64).
    pub hash: Option<ColumnRef>,
    /// Bits in which the hashes of duplicates differ at most.
    #[serde(default = "four")]
    #[schemars(range(max = 63))]
    pub distance: u32,
    /// A column of vectors.
    pub vectors: Option<ColumnRef>,
    /// The cosine above which rows are duplicates.
    #[serde(default = "close")]
    #[schemars(range(min = -1.0, max = 1.0))]
    pub similarity: f64,
    /// Of duplicates, the row with the largest is kept; the first one without.
    pub score: Option<ColumnRef>,
}

fn four() -> u32 {
    4
}

fn close() -> f64 {
    0.95
}

impl Kind for Dedup {
    const NAME: &'static str = "select.dedup";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract.table("input", &config.input).passes();
        for key in &config.keys {
            contract.column("keys", key, &[ColumnType::Any]);
        }
        if let Some(hash) = &config.hash {
            contract.column("hash", hash, &[ColumnType::U64]);
        }
        if let Some(vectors) = &config.vectors {
            contract.column("vectors", vectors, &[ColumnType::Vector]);
            contract.permit(Permit::Exclusive);
            // A copy in the order of looking, and one of what is kept.
            contract.memory("vectors", 2.2);
        }
        if let Some(score) = &config.score {
            contract.column("score", score, &[ColumnType::Number]);
        }
        contract
            .port("rows", RowsOf::New)
            .passes("input")
            .gives("pick", ColumnType::U32);
        contract
            .port(DUPLICATES, RowsOf::Plain)
            .gives("unique_idx", ColumnType::U64)
            .gives("kept", ColumnType::U64);
        let ways = usize::from(!config.keys.is_empty())
            + usize::from(config.hash.is_some())
            + usize::from(config.vectors.is_some());
        if ways != 1 {
            contract.refuse(
                "input",
                format!("what a duplicate is must be said in one way, and there are {ways}"),
                "give `keys`, `hash` or `vectors`; to use two of them, let a second node look at what the first one kept",
            );
        }
        if config.distance > 63 {
            contract.refuse(
                "distance",
                format!("`distance` is {}", config.distance),
                "it must be at most 63: hashes have 64 bits",
            );
        }
        picks::refuse_no_cosine(config.similarity, contract);
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        let alike = if config.hash.is_some() {
            Alike::Hash(config.distance)
        } else if config.vectors.is_some() {
            Alike::Vectors(config.similarity)
        } else {
            Alike::Keys
        };
        Ok(Work::table(Pick {
            alike,
            scored: config.score.is_some(),
        }))
    }
}

struct Pick {
    alike: Alike,
    scored: bool,
}

impl TableNode for Pick {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let input = inputs.table("input")?;
        let looked_at = in_order(inputs, self.scored)?;
        let kept_by = self.alike.find(&looked_at, inputs, context)?;
        let mut duplicate_of = vec![None; input.rows()];
        for (&row, kept) in looked_at.iter().zip(kept_by) {
            duplicate_of[row] = kept;
        }
        let positions: Vec<usize> = (0..input.rows())
            .filter(|&row| duplicate_of[row].is_none())
            .collect();
        context.log(format!(
            "{} of {} rows are duplicates",
            input.rows() - positions.len(),
            input.rows()
        ));
        picks::push(input, &positions, &[], outputs, context)?;
        push_duplicates(&duplicate_of, input, outputs)
    }
}

/// All rows, in the order in which they are looked at.
fn in_order(inputs: &Inputs, by_score: bool) -> Result<Vec<usize>, NodeError> {
    let rows = inputs.table("input")?.rows();
    if !by_score {
        return Ok((0..rows).collect());
    }
    let mut scored = order::scored(&inputs.column("score")?)?;
    order::largest_first(&mut scored);
    let mut unscored = vec![true; rows];
    for &(row, _) in &scored {
        unscored[row] = false;
    }
    let with = scored.into_iter().map(|(row, _)| row);
    Ok(with.chain((0..rows).filter(|&row| unscored[row])).collect())
}

fn push_duplicates(
    duplicate_of: &[Option<usize>],
    input: &Table,
    outputs: &mut dyn Outputs,
) -> Result<(), NodeError> {
    let numbers = input.unique_idx()?;
    let pairs: Vec<(u64, u64)> = duplicate_of
        .iter()
        .zip(&numbers)
        .filter_map(|(kept, &number)| Some((number, numbers[(*kept)?])))
        .collect();
    // A table without rows still has its columns.
    let empty = pairs.is_empty().then_some(pairs.as_slice());
    for pairs in pairs.chunks(16 * CHUNK_ROWS).chain(empty) {
        let (rows, kept): (Vec<u64>, Vec<u64>) = pairs.iter().copied().unzip();
        let columns: [(_, ArrayRef); 2] = [
            ("unique_idx", Arc::new(UInt64Array::from(rows))),
            ("kept", Arc::new(UInt64Array::from(kept))),
        ];
        outputs.push(DUPLICATES, RecordBatch::try_from_iter(columns)?)?;
    }
    Ok(())
}
