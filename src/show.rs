//! Tables for eyes and for other programs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use comfy_table::{ContentArrangement, Table as Grid, presets};

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

const WIDEST: usize = 60;
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
    let mut grid = Grid::new();
    grid.load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if grid.width().is_none() {
        grid.set_width(120);
    }
    grid.set_header(batch.schema().fields().iter().map(|f| f.name().clone()));
    let columns = batch
        .columns()
        .iter()
        .map(cells)
        .collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        grid.add_row(columns.iter().map(|c| c[row].as_str()));
    }
    let shown = batch.num_rows();
    let rest = if shown < of {
        format!("{shown} of {of} rows; --rows N shows more")
    } else {
        format!("{of} rows")
    };
    Ok(format!("{grid}\n{rest}\n"))
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
            if text.chars().count() > WIDEST {
                return text.chars().take(WIDEST - 1).chain(['…']).collect();
            }
            text
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
pub(crate) fn grid(header: &[&str], rows: &[Vec<String>]) -> Result<String, String> {
    let columns: Vec<ArrayRef> = (0..header.len())
        .map(|i| Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r[i]))) as ArrayRef)
        .collect();
    let fields: Vec<Field> = header
        .iter()
        .map(|h| Field::new(*h, DataType::Utf8, false))
        .collect();
    let batch =
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| e.to_string())?;
    let text = for_eyes(&batch, rows.len()).map_err(|e| e.to_string())?;
    // The count of rows says nothing here.
    Ok(text
        .rsplit_once('\n')
        .and_then(|(t, _)| t.rsplit_once('\n'))
        .map_or(text.clone(), |(t, _)| t.to_owned()))
}
