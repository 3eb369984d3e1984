//! The records and their features, out of the tables that the engine names.

use std::collections::{BTreeSet, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, UInt64Type};
use trommel_engine::table::{ColumnType, FloatRows, UNIQUE_IDX, floats, vectors};
use trommel_engine::worker::protocol::TableInput;
use trommel_text::Turn;

use crate::train::{Feature, Values};
use crate::work::columns::{chunks, has_column, input, place, text};
use crate::work::{Events, WorkError};

/// The records that are trained on.
pub(super) struct Records {
    pub(super) rows: Vec<Record>,
    /// `unique_idx` of those that are not, for want of a feature.
    left_out: HashSet<u64>,
}

pub(super) struct Record {
    pub(super) unique_idx: u64,
    /// The path of a file.
    pub(super) image: Option<String>,
    pub(super) turns: Vec<Turn>,
}

impl Records {
    pub(super) fn read(inputs: &[TableInput]) -> Result<Self, WorkError> {
        let table = input(inputs, "input")?;
        let images = if has_column(table, "image") {
            chunks(table, "image")?.into_iter().map(Some).collect()
        } else {
            vec![None; table.chunks.len()]
        };
        let names = chunks(table, UNIQUE_IDX)?;
        let conversations = chunks(table, "conversations")?;
        let mut rows = Vec::new();
        for ((names, image), conversations) in names.iter().zip(&images).zip(&conversations) {
            let names = unique_idx(names)?;
            let image = image
                .as_ref()
                .map(|image| text(image, "image", || place(table)))
                .transpose()?;
            let turns = turns(conversations, table)?;
            for (row, turns) in turns.into_iter().enumerate() {
                let image = image.as_ref().filter(|image| image.is_valid(row));
                rows.push(Record {
                    unique_idx: names.value(row),
                    image: image.map(|image| image.value(row).to_owned()),
                    turns,
                });
            }
        }
        Ok(Self {
            rows,
            left_out: HashSet::new(),
        })
    }

    /// The features, in the order written. Records that lack one are taken out, which is said.
    pub(super) fn take_features(
        &mut self,
        inputs: &[TableInput],
        events: &mut dyn Events,
    ) -> Result<Vec<Feature>, WorkError> {
        let columns = inputs.iter().filter(|input| input.key == "features");
        let columns = columns
            .map(|input| Column::read(input, &self.rows))
            .collect::<Result<Vec<_>, _>>()?;
        let mut lacking = BTreeSet::new();
        for column in &columns {
            lacking.extend((0..self.rows.len()).filter(|&row| column.missing[row]));
        }
        if !lacking.is_empty() {
            let first = lacking.iter().take(5).map(|&row| self.rows[row].unique_idx);
            let first: Vec<String> = first.map(|unique_idx| unique_idx.to_string()).collect();
            events.warning(format!(
                "{} of {} records are not trained on: a feature of theirs is null (unique_idx {}{})",
                lacking.len(),
                self.rows.len(),
                first.join(", "),
                if lacking.len() > first.len() { ", .." } else { "" },
            ))?;
        }
        let keep: Vec<usize> = (0..self.rows.len())
            .filter(|row| !lacking.contains(row))
            .collect();
        let features = columns
            .into_iter()
            .map(|column| column.keep(&keep))
            .collect();
        self.left_out = lacking
            .iter()
            .map(|&row| self.rows[row].unique_idx)
            .collect();
        let rows = std::mem::take(&mut self.rows).into_iter().enumerate();
        let kept = rows.filter(|(row, _)| !lacking.contains(row));
        self.rows = kept.map(|(_, record)| record).collect();
        Ok(features)
    }

    /// An order that names a record which is not trained on can mean either of two things, and the trainer cannot tell them apart.
    pub(super) fn check_order(&self, order: Option<&[Vec<u64>]>) -> Result<(), WorkError> {
        let named = order.unwrap_or_default().iter().enumerate();
        let mut named =
            named.flat_map(|(batch, names)| names.iter().map(move |name| (batch, name)));
        match named.find(|(_, name)| self.left_out.contains(name)) {
            None => Ok(()),
            Some((batch, name)) => Err(WorkError::Setting {
                setting: "order",
                reason: format!(
                    "batch {batch} names unique_idx {name}, which has a feature that is null and so cannot be trained on"
                ),
            }),
        }
    }
}

/// A feature of all records.
struct Column {
    feature: Feature,
    /// Where a record has none.
    missing: Vec<bool>,
}

impl Column {
    fn read(input: &TableInput, records: &[Record]) -> Result<Self, WorkError> {
        let name = input.column.as_deref().ok_or_else(|| WorkError::Table {
            place: place(input),
            reason: "a feature must be one column, NODE.COLUMN".into(),
        })?;
        let arrays = chunks(input, name)?;
        let rows: usize = arrays.iter().map(Array::len).sum();
        if rows != records.len() {
            return Err(WorkError::Table {
                place: place(input),
                reason: format!("it has {rows} rows, the input has {}", records.len()),
            });
        }
        check_names(input, records)?;
        let is_vector = arrays
            .first()
            .is_some_and(|array| ColumnType::of(array.data_type()) == ColumnType::Vector);
        let (values, missing) = if is_vector {
            read_vectors(input, &arrays)?
        } else {
            read_scalars(input, name, &arrays)?
        };
        let name = input.reference.clone();
        Ok(Self {
            feature: Feature { name, values },
            missing,
        })
    }

    fn keep(self, rows: &[usize]) -> Feature {
        let values = match self.feature.values {
            Values::Scalar(values) => Values::Scalar(rows.iter().map(|&row| values[row]).collect()),
            Values::Vector { width, data } => {
                let kept = rows.iter().flat_map(|row| &data[row * width..][..width]);
                let data = kept.copied().collect();
                Values::Vector { width, data }
            }
        };
        Feature {
            name: self.feature.name,
            values,
        }
    }
}

/// Tables of one origin keep their order; this makes sure of it where the feature's table says which record a row is of.
fn check_names(input: &TableInput, records: &[Record]) -> Result<(), WorkError> {
    if !has_column(input, UNIQUE_IDX) {
        return Ok(());
    }
    let mut record = records.iter();
    for array in chunks(input, UNIQUE_IDX)? {
        for found in unique_idx(&array)?.values() {
            let expected = record.next().map(|record| record.unique_idx);
            if expected != Some(*found) {
                return Err(WorkError::Table {
                    place: place(input),
                    reason: format!("it has unique_idx {found} where the input has {expected:?}"),
                });
            }
        }
    }
    Ok(())
}

fn read_vectors(input: &TableInput, arrays: &[ArrayRef]) -> Result<(Values, Vec<bool>), WorkError> {
    let parts = arrays.iter().map(vectors).collect::<Result<Vec<_>, _>>()?;
    // A chunk of nulls alone may not know its width.
    let width = parts.iter().map(FloatRows::width).max().unwrap_or(0);
    let (mut data, mut missing) = (Vec::new(), Vec::new());
    for part in &parts {
        for row in 0..part.rows() {
            match part.row(row) {
                Some(values) if values.len() == width => data.extend_from_slice(values),
                Some(values) => {
                    let found = values.len();
                    return Err(WorkError::Table {
                        place: place(input),
                        reason: format!("it has vectors of {found} and of {width} numbers"),
                    });
                }
                None => data.resize(data.len() + width, f32::NAN),
            }
            missing.push(part.row(row).is_none());
        }
    }
    Ok((Values::Vector { width, data }, missing))
}

fn read_scalars(
    input: &TableInput,
    name: &str,
    arrays: &[ArrayRef],
) -> Result<(Values, Vec<bool>), WorkError> {
    let mut values = Vec::new();
    for array in arrays {
        if !array.data_type().is_numeric() && *array.data_type() != DataType::Null {
            return Err(WorkError::ColumnType {
                place: place(input),
                column: name.to_owned(),
                found: array.data_type().to_string(),
                expected: "numbers or vectors of f32",
            });
        }
        values.extend(floats(array)?);
    }
    let missing = values.iter().map(Option::is_none).collect();
    let values = values.into_iter().map(|v| v.unwrap_or(f64::NAN)).collect();
    Ok((Values::Scalar(values), missing))
}

fn unique_idx(array: &ArrayRef) -> Result<UInt64Array, WorkError> {
    let names = cast(array, &DataType::UInt64)?;
    Ok(names.as_primitive::<UInt64Type>().clone())
}

/// The conversation of every row of a chunk; a null one is empty.
fn turns(array: &ArrayRef, table: &TableInput) -> Result<Vec<Vec<Turn>>, WorkError> {
    let wrong = || WorkError::ColumnType {
        place: place(table),
        column: "conversations".into(),
        found: array.data_type().to_string(),
        expected: "a list of {from, value}",
    };
    let list = array.as_list_opt::<i32>().ok_or_else(wrong)?;
    let fields = list.values().as_struct_opt().ok_or_else(wrong)?;
    let field = |name: &str| -> Result<StringArray, WorkError> {
        let column = fields.column_by_name(name).ok_or_else(wrong)?;
        text(column, "conversations", || place(table))
    };
    let (from, value) = (field("from")?, field("value")?);
    let row = |row: usize| {
        let places = list.value_offsets()[row] as usize..list.value_offsets()[row + 1] as usize;
        let turn = |at: usize| Turn {
            from: from.value(at).to_owned(),
            value: value.value(at).to_owned(),
        };
        if list.is_null(row) {
            Vec::new()
        } else {
            places.map(turn).collect()
        }
    };
    Ok((0..list.len()).map(row).collect())
}
