//! Puts tables together: a port's own columns beside the `key` and `unique_idx` of its rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, FixedSizeBinaryArray, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};

use super::RunError;
use crate::cache::{Cache, Piece, PortEntry};
use crate::node::{Port, RowsOf};
use crate::plan::PlanNode;
use crate::table::{Chunk, ColumnType, KEY, Table, UNIQUE_IDX, is_supported};

/// The table of a port out of its stored pieces.
pub(super) fn table(
    node: &PlanNode,
    port: &Port,
    fields: &[FieldRef],
    pieces: &[Piece],
    inputs: &[Table],
    cache: &Cache,
) -> Result<Table, RunError> {
    let RowsOf::Input(key) = port.rows else {
        let chunks: Vec<Chunk> = pieces
            .iter()
            .map(|p| Chunk {
                rows: p.rows,
                columns: cache.columns(p),
            })
            .collect();
        return Ok(Table::new(fields.to_vec(), chunks));
    };
    let rows_of = input(node, key, inputs)?.select(&[KEY, UNIQUE_IDX])?;
    if rows_of.chunks().len() != pieces.len() {
        return Err(RunError::new(format!(
            "`{}` gave {} chunks for {}",
            node.name,
            pieces.len(),
            rows_of.chunks().len()
        )));
    }
    let chunks: Vec<Chunk> = rows_of
        .chunks()
        .iter()
        .zip(pieces)
        .map(|(rows, own)| Chunk {
            rows: rows.rows,
            columns: rows
                .columns
                .iter()
                .cloned()
                .chain(cache.columns(own))
                .collect(),
        })
        .collect();
    let all: Vec<FieldRef> = rows_of.fields().iter().chain(fields).cloned().collect();
    Ok(Table::new(all, chunks))
}

/// The table under a key of the configuration.
pub(super) fn input<'t>(
    node: &PlanNode,
    key: &str,
    inputs: &'t [Table],
) -> Result<&'t Table, RunError> {
    let position = node.inputs.iter().position(|i| i.need.key == key);
    position
        .and_then(|p| inputs.get(p))
        .ok_or_else(|| RunError::new(format!("`{}` has no input `{key}`", node.name)))
}

/// Zipped tables must have the same rows, chunk by chunk.
pub(super) fn check_aligned(node: &PlanNode, inputs: &[Table]) -> Result<(), RunError> {
    let mut first: Option<(&str, &Table)> = None;
    for (plan, table) in node.inputs.iter().zip(inputs) {
        let Some(digest) = table.column_digest(KEY) else {
            continue;
        };
        match first {
            None => first = Some((&plan.need.text, table)),
            Some((_, other)) if other.column_digest(KEY) == Some(digest) => {}
            Some((name, other)) => {
                return Err(RunError::new(format!(
                    "`{name}` ({} rows) and `{}` ({} rows) do not have the same rows",
                    other.rows(),
                    plan.need.text,
                    table.rows()
                )));
            }
        }
    }
    Ok(())
}

/// A row that was quarantined.
pub(super) struct Quarantined {
    pub key: Vec<u8>,
    pub unique_idx: u64,
    pub reason: String,
}

/// The port `errors` as it is stored.
pub(super) fn errors_entry(rows: &[Quarantined], cache: &Cache) -> Result<PortEntry, RunError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new(KEY, DataType::FixedSizeBinary(16), false),
        Field::new(UNIQUE_IDX, DataType::UInt64, false),
        Field::new("reason", DataType::Utf8, false),
    ]));
    let mut pieces = Vec::new();
    if !rows.is_empty() {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(FixedSizeBinaryArray::try_from_iter(
                rows.iter().map(|r| r.key.as_slice()),
            )?),
            Arc::new(UInt64Array::from_iter_values(
                rows.iter().map(|r| r.unique_idx),
            )),
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|r| r.reason.as_str()),
            )),
        ];
        pieces.push(
            cache
                .put(&RecordBatch::try_new(schema.clone(), columns)?)?
                .piece,
        );
    }
    Ok(PortEntry {
        name: "errors".to_owned(),
        fields: schema.fields().to_vec(),
        pieces,
        blobs: Vec::new(),
    })
}

pub(super) fn errors_table(errors: &PortEntry, cache: &Cache) -> Table {
    let chunks: Vec<Chunk> = errors
        .pieces
        .iter()
        .map(|piece| Chunk {
            rows: piece.rows,
            columns: cache.columns(piece),
        })
        .collect();
    Table::new(errors.fields.clone(), chunks)
}

/// The fields of a table that no batch has shown: those that the contract promises.
pub(super) fn promised_fields(port: &Port, passed: &[FieldRef]) -> Vec<FieldRef> {
    let mut fields: Vec<FieldRef> = Vec::new();
    if port.rows == RowsOf::New {
        fields.push(Arc::new(Field::new(
            KEY,
            DataType::FixedSizeBinary(16),
            false,
        )));
        fields.push(Arc::new(Field::new(UNIQUE_IDX, DataType::UInt64, false)));
    }
    fields.extend(
        passed
            .iter()
            .filter(|f| f.name() != KEY && f.name() != UNIQUE_IDX)
            .cloned(),
    );
    for (name, ty) in &port.columns {
        fields.retain(|f| f.name() != name);
        fields.push(Arc::new(Field::new(name, arrow_type(*ty), true)));
    }
    fields
}

fn arrow_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Text | ColumnType::Any => DataType::Utf8,
        ColumnType::Number | ColumnType::F64 => DataType::Float64,
        ColumnType::F32 => DataType::Float32,
        ColumnType::U32 => DataType::UInt32,
        ColumnType::U64 => DataType::UInt64,
        ColumnType::Bytes => DataType::Binary,
        ColumnType::Vector => {
            DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, false)), 0)
        }
        ColumnType::Turns => DataType::List(Arc::new(Field::new(
            "item",
            DataType::Struct(
                vec![
                    Field::new("from", DataType::Utf8, false),
                    Field::new("value", DataType::Utf8, false),
                ]
                .into(),
            ),
            false,
        ))),
    }
}

/// What a node gave must be what its contract says.
pub(super) fn check_batch(
    node: &PlanNode,
    port: &Port,
    batch: &RecordBatch,
) -> Result<(), RunError> {
    for field in batch.schema_ref().fields() {
        if !is_supported(field.data_type()) {
            return Err(RunError::new(format!(
                "{} gave a column `{}` of type {}, which tables do not hold",
                node.kind_name(),
                field.name(),
                field.data_type()
            )));
        }
    }
    for (name, ty) in &port.columns {
        let found = batch
            .schema_ref()
            .field_with_name(name)
            .map(|f| ColumnType::of(f.data_type()))
            .ok();
        let fits = found.is_some_and(|found| ty.accepts(found));
        if !fits {
            return Err(RunError::new(format!(
                "{} promises a column `{name}` ({ty}) on its port `{}`, and gave {}",
                node.kind_name(),
                port.name,
                found.map_or_else(|| "none".to_owned(), |f| f.to_string()),
            )));
        }
    }
    Ok(())
}
