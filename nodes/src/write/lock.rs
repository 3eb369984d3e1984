//! The lock file beside the output of a select node: how the subset came about, so that anyone can tell and
//! get the same one again.

use arrow::datatypes::{Float64Type, UInt64Type};
use serde_json::{Map, Value as Json, json};
use trommel_engine::node::OutputContext;
use trommel_engine::node::prelude::*;

/// `PATH.lock.json`, for outputs of select nodes; nothing for others.
pub(super) fn companion(context: &OutputContext<'_>) -> Result<Vec<(String, Vec<u8>)>, NodeError> {
    if !context.kind.starts_with("select.") {
        return Ok(Vec::new());
    }
    let mut picks = Vec::with_capacity(context.table.rows());
    for chunk in 0..context.table.chunks().len() {
        add_picks(&context.table.batch(chunk)?, &mut picks)?;
    }
    let file = context
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let lock = json!({
        "lock": 1,
        "program": concat!("trommel ", env!("CARGO_PKG_VERSION")),
        "output": { "file": file, "blake3": context.file_digest, "rows": context.table.rows() },
        "made_by": context.provenance,
        "picks": picks,
    });
    let mut text = serde_json::to_vec_pretty(&lock).map_err(|e| NodeError::new(e.to_string()))?;
    text.push(b'\n');
    Ok(vec![(".lock.json".into(), text)])
}

fn add_picks(batch: &RecordBatch, picks: &mut Vec<Json>) -> Result<(), NodeError> {
    let column = |name: &str| {
        batch
            .column_by_name(name)
            .ok_or_else(|| NodeError::new(format!("the selection has no column `{name}`")))
    };
    let keys = column(KEY)?.as_fixed_size_binary();
    let numbers = column(UNIQUE_IDX)?.as_primitive::<UInt64Type>();
    let scores: Vec<_> = ["difficulty", "penalised", "score"]
        .into_iter()
        .filter_map(|name| {
            Some((
                name,
                batch
                    .column_by_name(name)?
                    .as_primitive_opt::<Float64Type>()?,
            ))
        })
        .collect();
    for row in 0..batch.num_rows() {
        let mut pick = Map::new();
        pick.insert("pick".into(), picks.len().into());
        pick.insert("unique_idx".into(), numbers.value(row).into());
        pick.insert("key".into(), hex(keys.value(row)).into());
        for (name, values) in &scores {
            let value = values.is_valid(row).then(|| values.value(row));
            pick.insert((*name).into(), json!(value));
        }
        picks.push(pick.into());
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
        text
    })
}
