//! Kinds that bring data in: annotation files, scores and vectors computed elsewhere.

use arrow::datatypes::UInt64Type;
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Entry, Erased};

pub mod llava;
pub mod scores;
pub mod vectors;

pub const KINDS: &[Entry] = &[
    Entry { kind: &Erased::<llava::Llava>::NEW, source: include_str!("llava.rs") },
    Entry { kind: &Erased::<scores::Scores>::NEW, source: include_str!("scores.rs") },
    Entry { kind: &Erased::<vectors::Vectors>::NEW, source: include_str!("vectors.rs") },
];

/// `unique_idx` of every row.
fn positions(table: &Table) -> Result<Vec<usize>, NodeError> {
    let mut positions = Vec::with_capacity(table.rows());
    for array in table.arrays(UNIQUE_IDX)? {
        positions.extend(array.as_primitive::<UInt64Type>().values().iter().map(|&v| v as usize));
    }
    Ok(positions)
}

fn refuse_own_names(contract: &mut Contract, column: &str) {
    if column.is_empty() || column.contains('.') || [KEY, UNIQUE_IDX].contains(&column) {
        contract.refuse("column", format!("`{column}` cannot be the name of this column"), "give another name, without a dot");
    }
}
