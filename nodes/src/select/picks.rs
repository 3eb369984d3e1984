//! What all selections have in common: giving the picked rows of the input, in order of picking.

use arrow::array::{Float64Array, UInt32Array};
use trommel_engine::node::prelude::*;
use trommel_engine::table::CHUNK_ROWS;

use super::order;

/// Pushes the rows at `positions` with `pick` (0, 1, ...) and further columns of numbers, one value a pick.
pub(super) fn push(
    input: &Table,
    positions: &[usize],
    columns: &[(&str, Vec<f64>)],
    outputs: &mut dyn Outputs,
    context: &Context<'_>,
) -> Result<(), NodeError> {
    let array = |values: &Vec<f64>| Arc::new(Float64Array::from(values.clone())) as ArrayRef;
    let columns: Vec<(&str, ArrayRef)> = columns
        .iter()
        .map(|(name, values)| (*name, array(values)))
        .collect();
    push_arrays(input, positions, &columns, outputs, context)
}

/// The same with columns of any type, none of them null.
pub(super) fn push_arrays(
    input: &Table,
    positions: &[usize],
    columns: &[(&str, ArrayRef)],
    outputs: &mut dyn Outputs,
    context: &Context<'_>,
) -> Result<(), NodeError> {
    let own: Vec<&str> = std::iter::once("pick")
        .chain(columns.iter().map(|(name, _)| *name))
        .collect();
    // A selection of a selection has such columns already: the new ones take their place.
    let kept: Vec<&str> = input
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .filter(|name| !own.contains(name))
        .collect();
    let kept = input.select(&kept)?;
    for (block, rows) in positions.chunks(CHUNK_ROWS).enumerate() {
        context.check_cancelled()?;
        let picked = kept.take(rows)?;
        let start = block * CHUNK_ROWS;
        let mut fields: Vec<Arc<Field>> = picked.schema().fields().iter().cloned().collect();
        let mut arrays = picked.columns().to_vec();
        fields.push(Arc::new(Field::new("pick", DataType::UInt32, false)));
        arrays.push(Arc::new(UInt32Array::from_iter_values(
            (start..start + rows.len()).map(|p| p as u32),
        )));
        for (name, values) in columns {
            let ty = values.data_type().clone();
            fields.push(Arc::new(Field::new(*name, ty, false)));
            arrays.push(values.slice(start, rows.len()));
        }
        outputs.push(
            "rows",
            RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?,
        )?;
    }
    Ok(())
}

/// Rows in the order in which they are wanted, with the score of every row of the table.
pub(super) type Ranked = (Vec<usize>, Option<Vec<f64>>);

/// The rows that can be picked, the largest `score` first, or by lot; rows without a score are told and left out, their
/// places among the scores have no meaning.
pub(super) fn ranked(
    inputs: &Inputs,
    by_score: bool,
    seed: u64,
    context: &Context<'_>,
) -> Result<Ranked, NodeError> {
    let input = inputs.table("input")?;
    if !by_score {
        let lots = order::lots(input, seed)?;
        let mut rows: Vec<usize> = (0..lots.len()).collect();
        rows.sort_by_key(|&row| lots[row]);
        return Ok((rows, None));
    }
    let mut scored = order::scored(&inputs.column("score")?)?;
    warn_unscored(input.rows() - scored.len(), input.rows(), context);
    order::largest_first(&mut scored);
    let mut scores = vec![f64::NAN; input.rows()];
    for &(row, score) in &scored {
        scores[row] = score;
    }
    Ok((
        scored.into_iter().map(|(row, _)| row).collect(),
        Some(scores),
    ))
}

/// To pick nothing is a slip, not a wish.
pub(super) fn refuse_none(count: usize, contract: &mut Contract) {
    if count == 0 {
        contract.refuse(
            "count",
            "`count` is 0: nothing would be picked",
            "it must be 1 or more",
        );
    }
}

/// Refuses a `similarity` that no two vectors have.
pub(super) fn refuse_no_cosine(similarity: f64, contract: &mut Contract) {
    if !(-1.0..=1.0).contains(&similarity) {
        contract.refuse(
            "similarity",
            format!("`similarity` is {similarity}"),
            "it is a cosine, from -1 to 1",
        );
    }
}

/// A count beyond what there is picks all, and says so.
pub(super) fn warn_short(count: usize, there: usize, context: &Context<'_>) {
    if count > there {
        context.warn(format!(
            "`count` is {count}, and only {there} rows can be picked: all of them are"
        ));
    }
}

/// For work on so many rows: says how far it is, and ends it where the run was cancelled.
pub(super) fn steps(
    of: usize,
    context: &Context<'_>,
) -> impl FnMut(usize) -> Result<(), NodeError> {
    move |done| {
        context.check_cancelled()?;
        context.progress(done as u64, Some(of as u64), "");
        Ok(())
    }
}

/// Rows without a score cannot be picked by it.
pub(super) fn warn_unscored(without: usize, of: usize, context: &Context<'_>) {
    if without > 0 {
        context.warn(format!(
            "{without} of {of} rows have no score and are not picked from"
        ));
    }
}
