//! What the kinds have in common that make one score of others.

use arrow::array::{Float64Array, UInt32Array};
use trommel_engine::node::prelude::*;

use super::difficulty::score::rank;

/// Rows that a message names.
const NAMED: usize = 20;

/// The port of a kind whose rows are those of the columns under `key`: `score` and `rank`.
pub(super) fn promise(key: &'static str, contract: &mut Contract) {
    contract
        .port("rows", RowsOf::Input(key))
        .gives("score", ColumnType::F64)
        .gives("rank", ColumnType::U32);
}

/// The numbers of a column. What is not finite is refused, with the rows.
pub(super) fn finite(column: &ColumnView<'_>) -> Result<Vec<Option<f64>>, NodeError> {
    let values = column.floats()?;
    let wrong: Vec<usize> = (0..values.len())
        .filter(|&row| values[row].is_some_and(|value| !value.is_finite()))
        .collect();
    if wrong.is_empty() {
        return Ok(values);
    }
    let named: Vec<String> = wrong.iter().take(NAMED).map(usize::to_string).collect();
    let more = if wrong.len() > NAMED { ", .." } else { "" };
    Err(NodeError::new(format!(
        "{} is no finite number in {} rows: {}{more}",
        column.reference,
        wrong.len(),
        named.join(", "),
    ))
    .help("mend the node that gives it, or leave those rows out with select.where"))
}

/// Gives the scores and their ranks: 0 is the largest, equal ones follow the order of rows, null has none.
pub(super) fn push(scores: Vec<Option<f64>>, outputs: &mut dyn Outputs) -> Result<(), NodeError> {
    let there: Vec<usize> = (0..scores.len())
        .filter(|&row| scores[row].is_some())
        .collect();
    let values: Vec<f64> = scores.iter().copied().flatten().collect();
    let mut ranks = vec![None; scores.len()];
    for (&row, rank) in there.iter().zip(rank(&values)) {
        ranks[row] = Some(rank);
    }
    let columns: [(_, ArrayRef, _); 2] = [
        ("score", Arc::new(Float64Array::from(scores)), true),
        ("rank", Arc::new(UInt32Array::from(ranks)), true),
    ];
    outputs.push("rows", RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// For each value how many are larger, and how many are equal, itself among them; null where it is null.
pub(super) fn larger_and_equal(values: &[Option<f64>]) -> Vec<Option<(usize, usize)>> {
    let mut order: Vec<usize> = (0..values.len())
        .filter(|&row| values[row].is_some())
        .collect();
    // Adding 0.0 makes -0.0 equal to 0.0.
    let value = |row: usize| values[row].unwrap_or_default() + 0.0;
    order.sort_by(|a, b| value(*b).total_cmp(&value(*a)));
    let mut counts = vec![None; values.len()];
    let mut larger = 0;
    for equal in order.chunk_by(|a, b| value(*a).total_cmp(&value(*b)).is_eq()) {
        for &row in equal {
            counts[row] = Some((larger, equal.len()));
        }
        larger += equal.len();
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_are_those_of_looking_at_all(values in prop::collection::vec(prop::option::of(-3_i8..4), 0..40)) {
            let values: Vec<Option<f64>> = values.into_iter().map(|v| v.map(f64::from)).collect();
            let expected: Vec<Option<(usize, usize)>> = values
                .iter()
                .map(|value| {
                    let of = |than: fn(&f64, &f64) -> bool| {
                        values.iter().flatten().filter(|other| than(other, &value.unwrap())).count()
                    };
                    value.map(|_| (of(|a, b| a > b), of(|a, b| a >= b) - of(|a, b| a > b)))
                })
                .collect();
            prop_assert_eq!(larger_and_equal(&values), expected);
        }
    }

    #[test]
    fn zeros_of_both_signs_are_equal() {
        let counts = larger_and_equal(&[Some(0.0), Some(-0.0)]);
        assert_eq!(counts, [Some((0, 2)), Some((0, 2))]);
    }
}
