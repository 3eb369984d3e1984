//! The lock file beside the output of a select node: how the subset came about, so that anyone can tell and
//! get the same one again (`trommel select verify`).

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use arrow::datatypes::{Float32Type, Float64Type, UInt32Type, UInt64Type};
use serde_json::{Map, Value as Json, json};
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Companion, CompanionPlace, OutputContext};

use crate::select::diverse::LOWERED;

/// Columns of a selection that are told of each pick.
pub const NUMBERS: [&str; 6] = [
    "difficulty",
    "penalised",
    "score",
    "radius",
    "gain",
    "cosine",
];

/// `PATH.lock.json`, for outputs of select nodes; nothing for others.
pub(super) fn companion(context: &OutputContext<'_>) -> Result<Option<Companion>, NodeError> {
    if !context.kind.starts_with("select.") {
        return Ok(None);
    }
    let mut picks = Vec::with_capacity(context.table.rows());
    for chunk in 0..context.table.chunks().len() {
        add_picks(&context.table.batch(chunk)?, &mut picks)?;
    }
    if let Some((_, lowered)) = context.ports.iter().find(|(name, _)| *name == LOWERED) {
        add_lowered(lowered, &mut picks)?;
    }
    let file = context
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let folder = context.path.parent().unwrap_or(context.path);
    let head = json!({
        "lock": 2,
        "program": concat!("trommel ", env!("CARGO_PKG_VERSION")),
        "pipeline": { "file": between(folder, context.pipeline), "params": context.params },
        "output": { "file": file, "blake3": context.file_digest, "rows": context.table.rows() },
        "made_by": context.provenance,
    });
    let mut text =
        serde_json::to_string_pretty(&head).map_err(|e| NodeError::new(e.to_string()))?;
    // The last list of the object has a pick a line.
    text.truncate(text.trim_end_matches('}').trim_end().len());
    text.push_str(",\n  \"picks\": [");
    for (place, pick) in picks.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n    {}", Json::from(pick.clone()));
    }
    text.push_str("\n  ]\n}\n");
    Ok(Some(Companion {
        place: CompanionPlace::Named(".lock.json"),
        bytes: text.into_bytes(),
    }))
}

fn add_picks(batch: &RecordBatch, picks: &mut Vec<Map<String, Json>>) -> Result<(), NodeError> {
    let column = |name: &str| {
        batch
            .column_by_name(name)
            .ok_or_else(|| NodeError::new(format!("the selection has no column `{name}`")))
    };
    let keys = column(KEY)?.as_fixed_size_binary();
    let numbers = column(UNIQUE_IDX)?.as_primitive::<UInt64Type>();
    let scores: Vec<_> = NUMBERS
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
        picks.push(pick);
    }
    Ok(())
}

/// To each pick the neighbours that it lowered: `[unique_idx, cosine, score afterwards]`.
fn add_lowered(table: &Table, picks: &mut [Map<String, Json>]) -> Result<(), NodeError> {
    let mut of_pick: HashMap<usize, Vec<Json>> = HashMap::new();
    for chunk in 0..table.chunks().len() {
        let batch = table.batch(chunk)?;
        let number = batch.column(0).as_primitive::<UInt32Type>();
        let neighbour = batch.column(1).as_primitive::<UInt64Type>();
        let similarity = batch.column(2).as_primitive::<Float32Type>();
        let score = batch.column(3).as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let told = json!([
                neighbour.value(row),
                similarity.value(row),
                score.value(row)
            ]);
            of_pick
                .entry(number.value(row) as usize)
                .or_default()
                .push(told);
        }
    }
    for (number, pick) in picks.iter_mut().enumerate() {
        let lowered = of_pick.remove(&number).unwrap_or_default();
        pick.insert("lowered".into(), lowered.into());
    }
    Ok(())
}

/// The way from a folder to a file, both absolute: it stays right where the two are moved together.
fn between(folder: &Path, file: &Path) -> PathBuf {
    let (folder, file) = (plain(folder), plain(file));
    let common = folder
        .components()
        .zip(file.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = folder
        .components()
        .skip(common)
        .map(|_| Component::ParentDir);
    up.chain(file.components().skip(common)).collect()
}

/// Without `..`, which is taken by the letter.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else if part != Component::CurDir {
            plain.push(part);
        }
    }
    plain
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_from_a_folder_to_a_file() {
        for (folder, file, way) in [
            ("/a/out", "/a/pipelines/p.yaml", "../pipelines/p.yaml"),
            ("/a", "/a/p.yaml", "p.yaml"),
            ("/a/b/../out", "/a/./p.yaml", "../p.yaml"),
            ("/x", "/a/p.yaml", "../a/p.yaml"),
        ] {
            assert_eq!(between(folder.as_ref(), file.as_ref()), Path::new(way));
        }
    }
}
