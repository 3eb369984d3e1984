//! What a program answers, held against what is promised of it.
//!
//! The columns must be those of `gives`, no more and no fewer, one row a row. A type all of whose values the promised one
//! holds exactly (f32 for f64, whole numbers for longer ones) is converted; nothing else is.

use std::collections::{BTreeMap, HashSet};

use arrow::array::{Array, BooleanArray, FixedSizeListArray, OffsetSizeTrait};
use arrow::compute::{CastOptions, cast_with_options, nullif};
use arrow::datatypes::Float32Type;
use arrow::error::ArrowError;
use trommel_engine::node::prelude::*;
use trommel_engine::table::list_of_floats;

use super::Given;

/// Where answer and promise differ: the end of a sentence that begins with the program, and what to do.
#[derive(Debug)]
pub(super) struct Misfit {
    pub message: String,
    pub help: Option<String>,
}

fn misfit<T>(message: String, help: impl Into<String>) -> Result<T, Misfit> {
    Err(Misfit {
        message,
        help: Some(help.into()),
    })
}

/// What Arrow says of an array that cannot be.
fn broken<T>(name: &str, error: &ArrowError) -> Result<T, Misfit> {
    Err(Misfit {
        message: format!("gave a column `{name}` that is broken: {error}"),
        help: None,
    })
}

/// The answer to a request of `rows` rows, its columns in the order of their names and of the types promised. A width that
/// was left open is fixed by the first vector.
pub(super) fn fit(
    answer: RowOutput,
    rows: usize,
    gives: &mut BTreeMap<String, Given>,
) -> Result<RowOutput, Misfit> {
    let RowOutput { columns, failed } = answer;
    check_names(&columns, gives)?;
    if columns.num_rows() != rows {
        return misfit(
            format!("gave {} rows for {rows}", columns.num_rows()),
            "the answer has one row for each row of the request, in the same order; a row that cannot be computed is null, and may be listed in `failed`",
        );
    }
    let mut is_failed = vec![false; rows];
    for failure in &failed {
        let Some(row) = is_failed.get_mut(failure.row) else {
            return misfit(
                format!(
                    "reports that row {} has failed ({}), and was sent rows 0 to {}",
                    failure.row,
                    failure.reason,
                    rows - 1
                ),
                "`failed` counts the rows of a request from 0",
            );
        };
        *row = true;
    }
    let is_failed = BooleanArray::from(is_failed);
    let mut fields = Vec::with_capacity(gives.len());
    let mut arrays = Vec::with_capacity(gives.len());
    for (name, given) in gives {
        let Some(column) = columns.column_by_name(name) else {
            continue;
        };
        let column = converted(name, column, given)?;
        let column = nullif(&column, &is_failed).or_else(|e| broken(name, &e))?;
        fields.push(Field::new(name, column.data_type().clone(), true));
        arrays.push(column);
    }
    let columns = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
    Ok(RowOutput {
        columns: columns.or_else(|e| broken("", &e))?,
        failed,
    })
}

fn check_names(columns: &RecordBatch, gives: &BTreeMap<String, Given>) -> Result<(), Misfit> {
    let mut seen = HashSet::new();
    let schema = columns.schema_ref();
    let in_words = || {
        let all = schema.fields().iter();
        let all = all.map(|f| format!("`{}` ({})", f.name(), Given::name_of(f.data_type())));
        all.collect::<Vec<_>>().join(", ")
    };
    for (name, given) in gives {
        if schema.field_with_name(name).is_err() {
            let gave = if schema.fields().is_empty() {
                "no column at all".to_owned()
            } else {
                in_words()
            };
            return misfit(
                format!("is to give a column `{name}` ({given}), and gave {gave}"),
                "mend the program, or what `gives` says of it",
            );
        }
    }
    for field in schema.fields() {
        let (name, found) = (field.name(), Given::name_of(field.data_type()));
        if !gives.contains_key(name) {
            return misfit(
                format!("gave a column `{name}` ({found}), which `gives` does not name"),
                format!("add it (`{name}: {found}`), or leave it out of the answer"),
            );
        }
        if !seen.insert(name) {
            return misfit(
                format!("gave the column `{name}` twice"),
                "columns have different names",
            );
        }
    }
    Ok(())
}

fn converted(name: &str, column: &ArrayRef, given: &mut Given) -> Result<ArrayRef, Misfit> {
    let found = column.data_type();
    let wanted = match given {
        Given::Vector(width) => return vector(name, column, width),
        other => *other,
    };
    let Some(into) = exact(found, wanted) else {
        return wrong_type(name, found, wanted);
    };
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(column, &into, &strict).or_else(|e| broken(name, &e))
}

fn wrong_type<T>(name: &str, found: &DataType, wanted: Given) -> Result<T, Misfit> {
    let found = Given::name_of(found);
    misfit(
        format!("gave `{name}` as {found}, and `gives` promises {wanted}"),
        format!("convert it in the program, or change `gives` if {found} is meant"),
    )
}

/// The Arrow type of a promised one, if it holds all values of the type found exactly.
fn exact(found: &DataType, wanted: Given) -> Option<DataType> {
    use DataType::{
        Binary, BinaryView, Boolean, Dictionary, FixedSizeBinary, Float16, Float32, Float64, Int8,
        Int16, Int32, Int64, LargeBinary, LargeUtf8, Null, UInt8, UInt16, UInt32, UInt64, Utf8,
        Utf8View,
    };
    if let Dictionary(_, values) = found {
        return exact(values, wanted);
    }
    let (into, fits) = match wanted {
        Given::Text => (Utf8, matches!(found, Utf8 | LargeUtf8 | Utf8View)),
        Given::Bytes => {
            let fits = matches!(
                found,
                Binary | LargeBinary | BinaryView | FixedSizeBinary(_)
            );
            (Binary, fits)
        }
        Given::Bool => (Boolean, matches!(found, Boolean)),
        Given::U32 => (UInt32, matches!(found, UInt8 | UInt16 | UInt32)),
        Given::U64 => (UInt64, matches!(found, UInt8 | UInt16 | UInt32 | UInt64)),
        Given::I64 => {
            let signed = matches!(found, Int8 | Int16 | Int32 | Int64);
            (Int64, signed || matches!(found, UInt8 | UInt16 | UInt32))
        }
        Given::F32 => {
            let whole = matches!(found, Int8 | Int16 | UInt8 | UInt16);
            (Float32, whole || matches!(found, Float16 | Float32))
        }
        Given::F64 => {
            let whole = matches!(found, Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32);
            (
                Float64,
                whole || matches!(found, Float16 | Float32 | Float64),
            )
        }
        Given::Vector(_) => return None,
    };
    (fits || matches!(found, Null)).then_some(into)
}

/// Vectors of f32 of one width, however the program's library lays them out.
fn vector(name: &str, column: &ArrayRef, width: &mut Option<u32>) -> Result<ArrayRef, Misfit> {
    let found = column.data_type();
    let rows = match found {
        DataType::FixedSizeList(item, length) if *item.data_type() == DataType::Float32 => {
            let length = (*length).cast_unsigned();
            check_width(name, None, length, width)?;
            rows_of_fixed(column.as_fixed_size_list())
        }
        DataType::List(item) if *item.data_type() == DataType::Float32 => {
            rows_of_list::<i32>(column)
        }
        DataType::LargeList(item) if *item.data_type() == DataType::Float32 => {
            rows_of_list::<i64>(column)
        }
        DataType::Null => vec![None; column.len()],
        _ => return wrong_type(name, found, Given::Vector(*width)),
    };
    for (number, row) in rows.iter().enumerate() {
        let Some(row) = row else { continue };
        check_width(name, Some(number), row.len() as u32, width)?;
        if row.null_count() > 0 {
            return misfit(
                format!("gave a vector that holds a null (`{name}`, row {number} of a request)"),
                "a row without a vector is null as a whole",
            );
        }
    }
    let Some(width) = *width else {
        return misfit(
            format!("gave no vector in `{name}` yet, so their width is not known"),
            format!("say it: `gives: {{ {name}: vector(WIDTH) }}`"),
        );
    };
    let mut values = Vec::with_capacity(rows.len() * width as usize);
    for row in &rows {
        match row {
            Some(row) => values.extend_from_slice(row.as_primitive::<Float32Type>().values()),
            None => values.resize(values.len() + width as usize, 0.0),
        }
    }
    let valid: Vec<bool> = rows.iter().map(Option::is_some).collect();
    let valid = valid.contains(&false).then_some(valid);
    match list_of_floats(values, width as usize, valid) {
        Ok(vectors) => Ok(Arc::new(vectors)),
        Err(error) => broken(name, &error),
    }
}

fn check_width(
    name: &str,
    row: Option<usize>,
    found: u32,
    width: &mut Option<u32>,
) -> Result<(), Misfit> {
    let wanted = *width.get_or_insert(found);
    if found == wanted {
        return Ok(());
    }
    let place = row.map_or(String::new(), |row| format!(", row {row} of a request"));
    misfit(
        format!("gave a vector of {found} values, and not of {wanted} (`{name}`{place})"),
        "all vectors of a column have the width that `gives` promises, else that of the first one",
    )
}

fn rows_of_fixed(list: &FixedSizeListArray) -> Vec<Option<ArrayRef>> {
    list.iter().collect()
}

fn rows_of_list<O: OffsetSizeTrait>(column: &ArrayRef) -> Vec<Option<ArrayRef>> {
    column.as_list::<O>().iter().collect()
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
