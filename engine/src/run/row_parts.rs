//! The chunks that a row-wise node reads and gives, put side by side.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};

use super::RunError;
use super::chunk_input::Part;
use crate::plan::PlanNode;
use crate::table::{Column, KEY, UNIQUE_IDX};

/// Zipped chunks must have the same rows.
pub(super) fn check_aligned(node: &PlanNode, parts: &[Part<'_>]) -> Result<(), RunError> {
    let mut keys = node
        .inputs
        .iter()
        .zip(parts)
        .filter_map(|(input, part)| Some((&input.need.text, part.column(KEY)?.digest())));
    let Some((name, first)) = keys.next() else {
        return Ok(());
    };
    match keys.find(|(_, digest)| *digest != first) {
        None => Ok(()),
        Some((other, _)) => Err(RunError::new(format!(
            "`{name}` and `{other}` do not have the same rows"
        ))),
    }
}

/// The `key` and `unique_idx` of an input's rows, and a node's own columns beside them.
pub(super) fn beside(
    rows_of: Part<'_>,
    own: &[FieldRef],
    columns: Vec<Column>,
) -> (Vec<Arc<Field>>, Vec<Column>) {
    let named = [KEY, UNIQUE_IDX].into_iter().filter_map(|name| {
        let index = rows_of.index(name)?;
        Some((
            rows_of.fields[index].clone(),
            rows_of.chunk.columns[index].clone(),
        ))
    });
    named.chain(own.iter().cloned().zip(columns)).unzip()
}
