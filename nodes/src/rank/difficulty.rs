//! How hard each row is for the model that a score net was trained with, and its rank.
//!
//! Difficulty is minus the net's output (Self-Filter, arXiv 2402.12501, stage 2), in f64 over f32 features and
//! weights; scalar features are scaled by the range that training saw. The net knows its features by name, so
//! `features` must name the same columns as the training did, in any order. Rank 0 is the hardest; equal ones
//! follow the order of rows. A row whose features are not complete is an error that names it, or with
//! `on_null: drop` has neither difficulty nor rank, and selection leaves it out.
//!
//! ```yaml
//! difficulty: { kind: rank.difficulty, score_net: stage1, features: [clip.clip] }
//! ```

use arrow::array::{Float64Array, UInt32Array};
use arrow::datatypes::{Float32Type, Float64Type, UInt32Type};
use trommel_engine::node::prelude::*;
use trommel_engine::table::strings;

use self::score::{Feature, ScoreError};

pub mod score;

/// Difficulty and rank.
pub struct Difficulty;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A trained score net.
    pub score_net: TableRef,
    /// The columns that the net was trained on.
    pub features: Vec<ColumnRef>,
    /// What becomes of rows whose features are not complete.
    #[serde(default)]
    pub on_null: OnNull,
}

#[derive(Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnNull {
    #[default]
    Fail,
    Drop,
}

/// Rows that a message names.
const NAMED: usize = 20;

impl Kind for Difficulty {
    const NAME: &'static str = "rank.difficulty";
    const VERSION: u32 = 1;
    type Config = Config;

    fn contract(config: &Config, contract: &mut Contract) {
        contract
            .table("score_net", &config.score_net)
            .reads("feature", &[ColumnType::Text])
            .reads("component", &[ColumnType::U32])
            .reads("weight", &[ColumnType::F32])
            .reads("min", &[ColumnType::F64])
            .reads("max", &[ColumnType::F64]);
        for feature in &config.features {
            contract
                .column(
                    "features",
                    feature,
                    &[ColumnType::Number, ColumnType::Vector],
                )
                .named();
        }
        contract
            .port("rows", RowsOf::Input("features"))
            .gives("difficulty", ColumnType::F64)
            .gives("rank", ColumnType::U32);
        if config.features.is_empty() {
            contract.refuse(
                "features",
                "a difficulty needs at least one feature",
                "name the columns that the score net was trained on",
            );
        }
    }

    fn build(config: &Config) -> Result<Work, NodeError> {
        Ok(Work::table(Rank {
            on_null: config.on_null,
        }))
    }
}

struct Rank {
    on_null: OnNull,
}

/// The net's weights for one feature.
struct Weights {
    feature: String,
    values: Vec<f32>,
    range: Option<(f64, f64)>,
}

impl TableNode for Rank {
    fn table(
        &mut self,
        inputs: &Inputs,
        outputs: &mut dyn Outputs,
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let net = read_net(inputs.table("score_net")?)?;
        let features = inputs.columns("features");
        let ordered = match_features(&net, &features)?;
        let table = features
            .first()
            .ok_or_else(|| NodeError::new("no features"))?
            .table;
        let mut difficulty: Vec<Option<f64>> = Vec::with_capacity(table.rows());
        for chunk in 0..table.chunks().len() {
            context.check_cancelled()?;
            difficulty.extend(chunk_difficulty(chunk, &ordered)?);
        }
        self.report_incomplete(table, &difficulty, context)?;
        let complete: Vec<usize> = (0..difficulty.len())
            .filter(|&i| difficulty[i].is_some())
            .collect();
        let values: Vec<f64> = difficulty.iter().copied().flatten().collect();
        let mut ranks: Vec<Option<u32>> = vec![None; difficulty.len()];
        for (&row, rank) in complete.iter().zip(score::rank(&values)) {
            ranks[row] = Some(rank);
        }
        let columns: [(&str, ArrayRef); 2] = [
            ("difficulty", Arc::new(Float64Array::from(difficulty))),
            ("rank", Arc::new(UInt32Array::from(ranks))),
        ];
        let schema = Schema::new(vec![
            Field::new("difficulty", DataType::Float64, true),
            Field::new("rank", DataType::UInt32, true),
        ]);
        outputs.push(
            "rows",
            RecordBatch::try_new(Arc::new(schema), columns.map(|(_, c)| c).to_vec())?,
        )
    }
}

impl Rank {
    fn report_incomplete(
        &self,
        table: &Table,
        difficulty: &[Option<f64>],
        context: &Context<'_>,
    ) -> Result<(), NodeError> {
        let incomplete: Vec<usize> = (0..difficulty.len())
            .filter(|&i| difficulty[i].is_none())
            .collect();
        if incomplete.is_empty() {
            return Ok(());
        }
        if self.on_null == OnNull::Drop {
            context.warn(format!(
                "{} of {} rows lack features and get no difficulty",
                incomplete.len(),
                difficulty.len()
            ));
            return Ok(());
        }
        let numbers = table.unique_idx()?;
        let named: Vec<String> = incomplete
            .iter()
            .take(NAMED)
            .map(|&row| numbers[row].to_string())
            .collect();
        let more = incomplete.len().saturating_sub(NAMED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        Err(NodeError::new(format!("{} rows lack features: unique_idx {}{more}", incomplete.len(), named.join(", ")))
            .help("give them the missing features, or say `on_null: drop` to leave them out of the selection"))
    }
}

fn read_net(table: &Table) -> Result<Vec<Weights>, NodeError> {
    let mut net: Vec<Weights> = Vec::new();
    for chunk in 0..table.chunks().len() {
        let batch = table.batch(chunk)?;
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| NodeError::new(format!("the score net has no column `{name}`")))
        };
        let names = strings(column("feature")?)?;
        let components = column("component")?.as_primitive::<UInt32Type>();
        let weights = column("weight")?.as_primitive::<Float32Type>();
        let (min, max) = (
            column("min")?.as_primitive::<Float64Type>(),
            column("max")?.as_primitive::<Float64Type>(),
        );
        for row in 0..batch.num_rows() {
            let name = names.value(row);
            let at = net.iter().position(|w| w.feature == name);
            let at = at.unwrap_or_else(|| {
                let range = (min.is_valid(row) && max.is_valid(row))
                    .then(|| (min.value(row), max.value(row)));
                net.push(Weights {
                    feature: name.to_owned(),
                    values: Vec::new(),
                    range,
                });
                net.len() - 1
            });
            let entry = &mut net[at];
            if components.value(row) as usize != entry.values.len() {
                return Err(NodeError::new(format!(
                    "the score net's weights for `{name}` are not in order"
                )));
            }
            entry.values.push(weights.value(row));
        }
    }
    Ok(net)
}

/// Each of the net's features with the column of that name.
fn match_features<'a>(
    net: &'a [Weights],
    features: &[ColumnView<'a>],
) -> Result<Vec<(&'a Weights, ColumnView<'a>)>, NodeError> {
    let trained: Vec<&str> = net.iter().map(|w| w.feature.as_str()).collect();
    let given: Vec<&str> = features.iter().map(|f| f.reference).collect();
    if trained.len() != given.len() || given.iter().any(|g| !trained.contains(g)) {
        return Err(NodeError::new(format!(
            "the score net was trained on {}, and `features` names {}",
            trained.join(", "),
            given.join(", ")
        ))
        .help("name the same columns in both nodes; a parameter `features` keeps them equal"));
    }
    Ok(net
        .iter()
        .filter_map(|weights| {
            Some((
                weights,
                *features.iter().find(|f| f.reference == weights.feature)?,
            ))
        })
        .collect())
}

/// The values of one feature in one chunk.
enum Values {
    Scalars(Vec<Option<f64>>),
    Vectors(trommel_engine::table::FloatRows),
}

fn chunk_difficulty(
    chunk: usize,
    features: &[(&Weights, ColumnView<'_>)],
) -> Result<Vec<Option<f64>>, NodeError> {
    let mut values = Vec::with_capacity(features.len());
    for (weights, view) in features {
        let index = view.table.column_index(view.column).unwrap_or_default();
        let array = view.table.chunks()[chunk].columns[index].array()?;
        values.push(if weights.range.is_some() {
            Values::Scalars(trommel_engine::table::floats(&array)?)
        } else {
            let rows = trommel_engine::table::vectors(&array)?;
            if rows.width() != weights.values.len() {
                return Err(NodeError::new(format!(
                    "`{}` has {} values a row, and the score net has {} weights for it",
                    view.reference,
                    rows.width(),
                    weights.values.len()
                )));
            }
            Values::Vectors(rows)
        });
    }
    let (_, first) = features[0];
    let rows = first.table.chunks()[chunk].rows;
    (0..rows)
        .map(|row| row_difficulty(row, chunk, features, &values))
        .collect()
}

fn row_difficulty(
    row: usize,
    chunk: usize,
    features: &[(&Weights, ColumnView<'_>)],
    values: &[Values],
) -> Result<Option<f64>, NodeError> {
    let mut scalars = [0.0; 1];
    let mut total = 0.0;
    for ((weights, view), values) in features.iter().zip(values) {
        let feature = match (values, weights.range) {
            (Values::Scalars(column), Some((min, max))) => {
                let Some(value) = column[row] else {
                    return Ok(None);
                };
                scalars[0] = value;
                Feature::Scalar {
                    name: view.reference,
                    values: &scalars,
                    weight: weights.values[0],
                    min,
                    max,
                }
            }
            (Values::Vectors(column), _) => {
                let Some(value) = column.row(row) else {
                    return Ok(None);
                };
                Feature::Vector {
                    name: view.reference,
                    values: value,
                    weights: &weights.values,
                }
            }
            (Values::Scalars(_), None) => return Ok(None),
        };
        let one = score::difficulty(1, &[feature]).map_err(|e| named(e, view.table, chunk, row))?;
        total += one[0];
    }
    Ok(Some(total))
}

fn named(error: ScoreError, table: &Table, chunk: usize, row: usize) -> NodeError {
    let before: usize = table.chunks()[..chunk].iter().map(|c| c.rows).sum();
    let number = table
        .unique_idx()
        .ok()
        .and_then(|n| n.get(before + row).copied());
    match (error, number) {
        (ScoreError::NotFinite { feature, .. }, Some(number)) => NodeError::new(format!(
            "`{feature}` of unique_idx {number} is not a finite number"
        )),
        (other, _) => NodeError::new(other.to_string()),
    }
}
