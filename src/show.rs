//! Tables for eyes and for other programs.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::layout::{self, Column};

/// How a batch is shown.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// For eyes; `of` is how many rows there are in all.
    Table {
        of: usize,
    },
    Json,
    Csv,
    Arrow,
    Parquet,
}

const LONGEST: usize = 2000;
const NUMBERS_SHOWN: usize = 4;

pub(crate) fn render(batch: &RecordBatch, shape: Shape) -> Result<Vec<u8>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    match shape {
        Shape::Table { of } => for_eyes(batch, of)
            .map(String::into_bytes)
            .map_err(|e| text(&e)),
        Shape::Json => {
            let mut writer = WriterBuilder::new()
                .with_explicit_nulls(true)
                .build::<_, JsonArray>(Vec::new());
            writer
                .write(batch)
                .and_then(|()| writer.finish())
                .map_err(|e| text(&e))?;
            let mut bytes = writer.into_inner();
            if bytes.is_empty() {
                bytes.extend_from_slice(b"[]");
            }
            bytes.push(b'\n');
            Ok(bytes)
        }
        Shape::Csv => trommel_nodes::write::csv_bytes(batch).map_err(|e| text(&e)),
        Shape::Arrow => {
            let mut bytes = Vec::new();
            trommel_engine::table::write_batch(&mut bytes, batch).map_err(|e| text(&e))?;
            Ok(bytes)
        }
        Shape::Parquet => trommel_nodes::write::parquet_bytes(batch).map_err(|e| text(&e)),
    }
}

fn for_eyes(batch: &RecordBatch, of: usize) -> Result<String, arrow::error::ArrowError> {
    let schema = batch.schema();
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| {
            Ok(Column {
                name: field.name().clone(),
                cells: cells(array)?,
                minor: is_minor(array.data_type()),
            })
        })
        .collect::<Result<Vec<_>, arrow::error::ArrowError>>()?;
    let (text, hidden) = layout::fitted(columns, layout::width());
    let shown = batch.num_rows();
    let rest = if shown < of {
        format!("{shown} of {of} rows; --rows N shows more")
    } else {
        format!("{of} rows")
    };
    if hidden.is_empty() {
        return Ok(format!("{text}\n{rest}\n"));
    }
    Ok(format!(
        "{text}\n{rest}\nnot shown: {}; --columns names what is, --format json shows all\n",
        hidden.join(", ")
    ))
}

/// Says little to eyes.
fn is_minor(ty: &DataType) -> bool {
    match ty {
        DataType::FixedSizeBinary(_) | DataType::Binary | DataType::Struct(_) => true,
        DataType::List(item) => item.data_type().is_nested(),
        _ => false,
    }
}

/// The cells of a column: long text cut, vectors by their first numbers, bytes as hex.
fn cells(column: &ArrayRef) -> Result<Vec<String>, arrow::error::ArrowError> {
    if let DataType::FixedSizeList(_, width) = column.data_type() {
        let list = column.as_fixed_size_list();
        return (0..list.len())
            .map(|row| {
                if list.is_null(row) {
                    return Ok(String::new());
                }
                let values = list.value(row);
                let shown = values.slice(0, values.len().min(NUMBERS_SHOWN));
                let numbers = cells(&shown)?.join(" ");
                let more = if *width as usize > NUMBERS_SHOWN {
                    format!(" … ({width})")
                } else {
                    String::new()
                };
                Ok(format!("{numbers}{more}"))
            })
            .collect();
    }
    let options = FormatOptions::default().with_null("");
    let formatter = ArrayFormatter::try_new(column, &options)?;
    Ok((0..column.len())
        .map(|row| {
            let text = formatter.value(row).to_string().replace('\n', "⏎");
            let text = match column.data_type() {
                DataType::Float32 | DataType::Float64 => shorter(&text),
                DataType::FixedSizeBinary(_) | DataType::Binary => text.chars().take(12).collect(),
                _ => text,
            };
            // Long enough for any screen; what does not fit is cut there.
            text.chars().take(LONGEST).collect()
        })
        .collect())
}

fn shorter(number: &str) -> String {
    number.parse::<f64>().map_or_else(
        |_| number.to_owned(),
        |n| {
            let short = format!("{n:.6}");
            if n != 0.0 && n.abs() < 1e-4 {
                format!("{n:.4e}")
            } else {
                short.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
        },
    )
}

/// A small table of text for the end of a run.
pub(crate) fn grid(header: &[&str], rows: &[Vec<String>]) -> String {
    let columns = header.iter().enumerate().map(|(i, name)| Column {
        name: (*name).to_owned(),
        cells: rows.iter().map(|row| row[i].clone()).collect(),
        minor: false,
    });
    layout::fitted(columns.collect(), layout::width()).0
}
