//! Compares a table with what a test expects of it.

use serde::Serialize;
use serde_json::Value as Json;
use trommel_engine::spec::ExpectSpec;
use trommel_engine::table::Table;

use crate::show::{self, Shape};

/// One thing that is not as expected.
#[derive(Serialize)]
pub(crate) struct Difference {
    /// `NODE` or `NODE.PORT`.
    pub(crate) node: String,
    #[serde(flatten)]
    pub(crate) what: What,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub(crate) enum What {
    Rows {
        expected: usize,
        found: usize,
    },
    /// The rows of a column that differ; nothing is where one side has no such row.
    Column {
        column: String,
        cells: Vec<Cell>,
        rows: usize,
    },
    /// No row of the table is like that.
    Contains {
        row: Json,
    },
    NoColumn {
        column: String,
    },
    Failed {
        message: String,
    },
    Error {
        expected: String,
        found: Option<String>,
    },
}

#[derive(Serialize)]
pub(crate) struct Cell {
    pub(crate) row: usize,
    pub(crate) expected: Option<Json>,
    pub(crate) found: Option<Json>,
}

/// What of a table is not as expected.
pub(crate) fn differences(table: &Table, spec: &ExpectSpec) -> Result<Vec<What>, String> {
    let mut all = Vec::new();
    if let Some(expected) = spec.rows
        && expected != table.rows()
    {
        let found = table.rows();
        all.push(What::Rows { expected, found });
    }
    for (name, expected) in &spec.columns {
        if table.column_index(&name.value).is_none() {
            let column = name.value.clone();
            all.push(What::NoColumn { column });
            continue;
        }
        let found = rows(table, &[&name.value])?;
        let mut found: Vec<Option<Json>> = found
            .into_iter()
            .map(|row| row.get(&name.value).cloned())
            .collect();
        let mut expected: Vec<Option<Json>> = expected.iter().map(|v| Some(v.to_json())).collect();
        let count = found.len().max(expected.len());
        found.resize(count, None);
        expected.resize(count, None);
        let cells: Vec<Cell> = expected
            .into_iter()
            .zip(found)
            .enumerate()
            .filter(|(_, (expected, found))| match (expected, found) {
                (Some(expected), Some(found)) => !alike(expected, found, spec.within),
                _ => true,
            })
            .map(|(row, (expected, found))| Cell {
                row,
                expected,
                found,
            })
            .collect();
        if !cells.is_empty() {
            all.push(What::Column {
                column: name.value.clone(),
                cells,
                rows: count,
            });
        }
    }
    if !spec.contains.is_empty() {
        contained(table, spec, &mut all)?;
    }
    Ok(all)
}

/// Each expected row needs a row of its own.
fn contained(table: &Table, spec: &ExpectSpec, all: &mut Vec<What>) -> Result<(), String> {
    let names: Vec<&str> = table.fields().iter().map(|f| f.name().as_str()).collect();
    let mut left = rows(table, &names)?;
    for wanted in &spec.contains {
        let row = wanted.to_json();
        let Json::Object(wanted) = &row else { continue };
        let fits = |found: &Json| {
            let mut cells = wanted.iter();
            cells.all(|(name, value)| {
                let cell = found.get(name);
                cell.is_some_and(|cell| alike(value, cell, spec.within))
            })
        };
        match left.iter().position(fits) {
            Some(at) => drop(left.remove(at)),
            None => all.push(What::Contains { row }),
        }
    }
    Ok(())
}

fn rows(table: &Table, columns: &[&str]) -> Result<Vec<Json>, String> {
    let table = table.select(columns).map_err(|e| e.to_string())?;
    let all: Vec<usize> = (0..table.rows()).collect();
    let batch = table.take(&all).map_err(|e| e.to_string())?;
    let text = show::render(&batch, Shape::Json)?;
    serde_json::from_slice(&text).map_err(|e| e.to_string())
}

/// Equal, or numbers that are off by no more than `within`.
fn alike(expected: &Json, found: &Json, within: f64) -> bool {
    match (expected, found) {
        (Json::Number(a), Json::Number(b)) => {
            a == b
                || match (a.as_f64(), b.as_f64()) {
                    (Some(a), Some(b)) => (a - b).abs() <= within,
                    _ => false,
                }
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b, within))
        }
        (Json::Object(a), Json::Object(b)) => {
            let same =
                |(name, a): (&String, &Json)| b.get(name).is_some_and(|b| alike(a, b, within));
            a.len() == b.len() && a.iter().all(same)
        }
        _ => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(alike(&json!(1), &json!(1.0), 0.0));
        assert!(!alike(&json!(0.1), &json!(0.100_001), 0.0));
        assert!(alike(&json!([0.1, 2]), &json!([0.100_001, 2]), 1e-5));
        assert!(!alike(&json!([1]), &json!([1, 2]), 1.0));
        assert!(!alike(&json!("1"), &json!(1), 1.0));
        assert!(alike(&json!({ "a": 1 }), &json!({ "a": 1.5 }), 0.5));
    }
}
