//! Rows written in a pipeline file into Arrow columns, each value checked where it stands.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, FixedSizeBinaryArray, Float32Array, Float64Array, Int64Array,
    RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::ReaderBuilder;
use arrow::json::reader::infer_json_schema_from_iterator;

use super::edges::columns_in_words;
use crate::diagnostics::{Place, Problem, Problems, nearest};
use crate::node::RecordKeys;
use crate::plan::PortColumns;
use crate::spec::{Data, Value};
use crate::table::{ColumnType, KEY, UNIQUE_IDX, is_supported, list_of_floats};

/// The rows as a batch with the types of `port`. Records get their `key` and `unique_idx` where these are
/// not written: the position, and a digest of `unique_idx`, so that rows of one number are one record in
/// all tables of a test. Columns that no row names are not there. None where there are no rows, or no columns.
pub(super) fn batch(
    node: &str,
    rows: &[Value],
    port: &PortColumns,
    problems: &mut Problems,
) -> Option<RecordBatch> {
    let mut names: Vec<(&str, &Place)> = Vec::new();
    for row in rows {
        let Data::Map(entries) = &row.data else {
            continue;
        };
        for (key, _) in entries {
            if !names.iter().any(|(name, _)| *name == key.value) {
                names.push((&key.value, &key.place));
            }
        }
    }
    let is_record = port.columns.iter().any(|(name, _)| name == KEY);
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    if is_record {
        let numbers = numbers(rows, problems)?;
        arrays.push(keys(rows, &numbers, problems)?);
        arrays.push(Arc::new(UInt64Array::from(numbers)));
        fields.push(Field::new(KEY, DataType::FixedSizeBinary(16), false));
        fields.push(Field::new(UNIQUE_IDX, DataType::UInt64, false));
    }
    for (name, place) in names {
        if is_record && [KEY, UNIQUE_IDX].contains(&name) {
            continue;
        }
        let known = port.columns.iter().find(|(column, _)| column == name);
        let ty = match known {
            Some((_, ty)) => *ty,
            None if port.open => ColumnType::Any,
            None => {
                let near = nearest(name, port.columns.iter().map(|(c, _)| c.as_str()));
                problems.push(
                    Problem::error(
                        "compile::unknown_column",
                        format!("`{node}` has no column `{name}`"),
                    )
                    .at(place, "given here")
                    .help(match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => columns_in_words(port),
                    }),
                );
                continue;
            }
        };
        let cells: Vec<Option<&Value>> = rows
            .iter()
            .map(|row| row.get(name).filter(|v| !matches!(v.data, Data::Null)))
            .collect();
        let ty = plain_type(ty, &cells);
        if !fit(name, ty, &cells, problems) {
            continue;
        }
        match column(name, ty, &cells) {
            Ok(array) if is_supported(array.data_type()) => {
                fields.push(Field::new(name, array.data_type().clone(), true));
                arrays.push(array);
            }
            Ok(array) => problems.push(unusable(
                name,
                place,
                format!("tables hold no {}", array.data_type()),
            )),
            Err(reason) => problems.push(unusable(name, place, reason)),
        }
    }
    if problems.has_errors() || arrays.is_empty() {
        return None;
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| {
            problems.push(Problem::error(
                "compile::rows",
                format!("the rows of `{node}`: {e}"),
            ));
        })
        .ok()
}

/// The type of values that are all numbers or all text, where the contract leaves it open.
fn plain_type(ty: ColumnType, cells: &[Option<&Value>]) -> ColumnType {
    let mut values = cells.iter().copied().flatten().peekable();
    if ty != ColumnType::Any || values.peek().is_none() {
        return ty;
    }
    if values.clone().all(|v| number(v).is_some()) {
        return ColumnType::Number;
    }
    if values.all(|v| text(v).is_some()) {
        return ColumnType::Text;
    }
    ty
}

fn unusable(name: &str, place: &Place, reason: impl std::fmt::Display) -> Problem {
    Problem::error(
        "compile::rows",
        format!("the values of `{name}` do not make a column: {reason}"),
    )
    .at(place, "this column")
}

fn numbers(rows: &[Value], problems: &mut Problems) -> Option<Vec<u64>> {
    let before = problems.iter().len();
    let cells: Vec<Option<&Value>> = rows.iter().map(|row| row.get(UNIQUE_IDX)).collect();
    fit(UNIQUE_IDX, ColumnType::U64, &cells, problems);
    let numbered = (0..).zip(&cells);
    let numbers = numbered.map(|(position, cell)| cell.and_then(unsigned).unwrap_or(position));
    let numbers = numbers.collect();
    (problems.iter().len() == before).then_some(numbers)
}

fn keys(rows: &[Value], numbers: &[u64], problems: &mut Problems) -> Option<ArrayRef> {
    let mut made = RecordKeys::default();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for (row, number) in rows.iter().zip(numbers) {
        let default = made.next(&number.to_le_bytes());
        match row.get(KEY) {
            None => keys.push(default.to_vec()),
            Some(value) => match bytes(value).filter(|b| b.len() == 16) {
                Some(written) => keys.push(written),
                None => problems.push(wrong(KEY, "16 bytes as hex digits", value)),
            },
        }
    }
    if problems.has_errors() {
        return None;
    }
    let array = FixedSizeBinaryArray::try_from_sparse_iter_with_size(
        keys.iter().map(|k| Some(k.as_slice())),
        16,
    );
    array.ok().map(|a| Arc::new(a) as ArrayRef)
}

/// Reports every value that is not of the type.
fn fit(name: &str, ty: ColumnType, cells: &[Option<&Value>], problems: &mut Problems) -> bool {
    let mut width = None;
    let before = problems.iter().len();
    for value in cells.iter().copied().flatten() {
        let fits = match ty {
            ColumnType::Text => matches!(value.data, Data::Text(_)),
            ColumnType::Number | ColumnType::F32 | ColumnType::F64 => number(value).is_some(),
            ColumnType::U32 => unsigned(value).is_some_and(|n| u32::try_from(n).is_ok()),
            ColumnType::U64 => unsigned(value).is_some(),
            ColumnType::Bytes => bytes(value).is_some(),
            ColumnType::Vector => {
                vector(value).is_some_and(|v| *width.get_or_insert(v.len()) == v.len())
            }
            ColumnType::Turns => is_turns(value),
            ColumnType::Any => !matches!(value.data, Data::Secret { .. }),
        };
        if !fits {
            let wanted = match ty {
                ColumnType::Vector => "a list of numbers, as long as the others".to_owned(),
                ColumnType::Bytes => "text of hex digits".to_owned(),
                ColumnType::Turns => "a list of { from: TEXT, value: TEXT }".to_owned(),
                other => other.to_string(),
            };
            problems.push(wrong(name, &wanted, value));
        }
    }
    problems.iter().len() == before
}

fn wrong(name: &str, wanted: &str, value: &Value) -> Problem {
    Problem::error(
        "compile::rows",
        format!("`{name}` must be {wanted}, found {}", value.describe()),
    )
    .at(&value.place, "here")
}

fn column(name: &str, ty: ColumnType, cells: &[Option<&Value>]) -> Result<ArrayRef, String> {
    let cells = cells.iter().copied();
    Ok(match ty {
        ColumnType::Text => Arc::new(cells.map(|c| c.and_then(text)).collect::<StringArray>()),
        ColumnType::F32 => Arc::new(
            cells
                .map(|c| c.and_then(number).map(|n| n as f32))
                .collect::<Float32Array>(),
        ),
        ColumnType::F64 => Arc::new(cells.map(|c| c.and_then(number)).collect::<Float64Array>()),
        ColumnType::Number => {
            let whole: Option<Vec<Option<i64>>> = cells
                .clone()
                .map(|cell| match cell.map(|v| &v.data) {
                    None => Some(None),
                    Some(Data::Int(n)) => Some(Some(*n)),
                    Some(_) => None,
                })
                .collect();
            match whole {
                Some(whole) => Arc::new(Int64Array::from(whole)),
                None => Arc::new(cells.map(|c| c.and_then(number)).collect::<Float64Array>()),
            }
        }
        ColumnType::U32 => Arc::new(
            cells
                .map(|c| c.and_then(unsigned).map(|n| n as u32))
                .collect::<UInt32Array>(),
        ),
        ColumnType::U64 => Arc::new(cells.map(|c| c.and_then(unsigned)).collect::<UInt64Array>()),
        ColumnType::Bytes => Arc::new(cells.map(|c| c.and_then(bytes)).collect::<BinaryArray>()),
        ColumnType::Vector => {
            let rows: Vec<Option<Vec<f32>>> = cells.map(|c| c.and_then(vector)).collect();
            let width = rows.iter().flatten().map(Vec::len).next().unwrap_or(0);
            let valid = rows.iter().map(Option::is_some).collect();
            let values = rows
                .into_iter()
                .flat_map(|row| row.unwrap_or_else(|| vec![0.0; width]));
            let list = list_of_floats(values.collect(), width, Some(valid));
            Arc::new(list.map_err(|e| e.to_string())?)
        }
        ColumnType::Turns | ColumnType::Any => {
            let json = cells.map(|c| c.map_or(serde_json::Value::Null, Value::to_json));
            inferred(name, json.collect())?
        }
    })
}

/// A column of the type that its values have.
fn inferred(name: &str, values: Vec<serde_json::Value>) -> Result<ArrayRef, String> {
    let rows: Vec<serde_json::Value> = values
        .into_iter()
        .map(|value| serde_json::json!({ name: value }))
        .collect();
    let schema = infer_json_schema_from_iterator(rows.iter().map(Ok)).map_err(|e| e.to_string())?;
    let fields = schema.fields().iter();
    // What is null in all rows could be anything.
    let fields: Vec<Field> = fields
        .map(|f| match f.data_type() {
            DataType::Null => Field::new(f.name(), DataType::Utf8, true),
            _ => f.as_ref().clone(),
        })
        .collect();
    let mut decoder = ReaderBuilder::new(Arc::new(Schema::new(fields)))
        .with_batch_size(rows.len().max(1))
        .build_decoder()
        .map_err(|e| e.to_string())?;
    decoder.serialize(&rows).map_err(|e| e.to_string())?;
    let batch = decoder.flush().map_err(|e| e.to_string())?;
    let column = batch.and_then(|b| b.column_by_name(name).cloned());
    column.ok_or_else(|| "it has no values".into())
}

fn text(value: &Value) -> Option<&str> {
    match &value.data {
        Data::Text(text) => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value.data {
        Data::Int(n) => Some(n as f64),
        Data::Unsigned(n) => Some(n as f64),
        Data::Float(n) => Some(n),
        _ => None,
    }
}

fn unsigned(value: &Value) -> Option<u64> {
    match value.data {
        Data::Int(n) => u64::try_from(n).ok(),
        Data::Unsigned(n) => Some(n),
        _ => None,
    }
}

fn vector(value: &Value) -> Option<Vec<f32>> {
    match &value.data {
        Data::List(items) => items.iter().map(|v| number(v).map(|n| n as f32)).collect(),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    let digits = text(value).filter(|t| t.len().is_multiple_of(2))?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}

fn is_turns(value: &Value) -> bool {
    let is_turn = |turn: &Value| {
        let keys = ["from", "value"];
        keys.iter()
            .all(|key| turn.get(key).and_then(text).is_some())
            && matches!(&turn.data, Data::Map(entries) if entries.len() == keys.len())
    };
    matches!(&value.data, Data::List(turns) if turns.iter().all(is_turn))
}
