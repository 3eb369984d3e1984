//! The tables that a whole-table node works on.

use arrow::array::ArrayRef;
use arrow::error::ArrowError;

use super::NodeError;
use crate::table::{Chunk, Column, FloatRows, Table, floats, vectors};
use crate::worker::protocol::{ChunkPlaces, ColumnPlace, TableInput};

/// The inputs of a node under the keys of its configuration.
pub struct Inputs(Vec<Input>);

struct Input {
    key: &'static str,
    reference: String,
    table: Table,
    column: Option<String>,
    label: Option<String>,
}

/// One column of a table, all chunks of it.
#[derive(Clone, Copy)]
pub struct ColumnView<'a> {
    /// As the configuration names it: `NODE.COLUMN`.
    pub reference: &'a str,
    /// What the node calls it, where that is not the key.
    pub label: Option<&'a str>,
    pub table: &'a Table,
    pub column: &'a str,
}

impl Inputs {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn push(
        &mut self,
        key: &'static str,
        reference: String,
        table: Table,
        column: Option<String>,
        label: Option<String>,
    ) {
        self.0.push(Input {
            key,
            reference,
            table,
            column,
            label,
        });
    }

    /// The table under a key.
    pub fn table(&self, key: &str) -> Result<&Table, NodeError> {
        self.0
            .iter()
            .find(|i| i.key == key)
            .map(|i| &i.table)
            .ok_or_else(|| NodeError::new(format!("the node has no input `{key}`")))
    }

    /// The tables under a key with their references, in the order written.
    pub fn tables(&self, key: &str) -> Vec<(&str, &Table)> {
        let of_key = self.0.iter().filter(|i| i.key == key);
        of_key.map(|i| (i.reference.as_str(), &i.table)).collect()
    }

    /// The columns under a key, in the order written.
    pub fn columns(&self, key: &str) -> Vec<ColumnView<'_>> {
        self.0
            .iter()
            .filter(|i| i.key == key)
            .filter_map(|i| {
                let column = i.column.as_deref()?;
                Some(ColumnView {
                    reference: &i.reference,
                    label: i.label.as_deref(),
                    table: &i.table,
                    column,
                })
            })
            .collect()
    }

    /// Where what stands under the wanted keys lies on disk, for a worker that maps it itself. It is read here first, which
    /// checks it.
    pub(super) fn places(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<TableInput>, NodeError> {
        let wanted = self.0.iter().filter(|input| wanted(input.key));
        wanted.map(Input::places).collect()
    }

    pub fn column(&self, key: &str) -> Result<ColumnView<'_>, NodeError> {
        self.columns(key)
            .first()
            .copied()
            .ok_or_else(|| NodeError::new(format!("the node has no column `{key}`")))
    }
}

impl Input {
    fn places(&self) -> Result<TableInput, NodeError> {
        let fields = self.table.fields().iter();
        let chunks = self.table.chunks().iter().map(chunk_places);
        Ok(TableInput {
            key: self.key.to_owned(),
            reference: self.reference.clone(),
            column: self.column.clone(),
            fields: fields.map(|f| f.name().clone()).collect(),
            chunks: chunks.collect::<Result<_, _>>()?,
        })
    }
}

fn chunk_places(chunk: &Chunk) -> Result<ChunkPlaces, ArrowError> {
    let place = |column: &Column| {
        column.array()?;
        let (path, index) = column.place();
        let path = path.to_owned();
        Ok::<_, ArrowError>(ColumnPlace { path, index })
    };
    Ok(ChunkPlaces {
        rows: chunk.rows,
        columns: chunk.columns.iter().map(place).collect::<Result<_, _>>()?,
    })
}

impl ColumnView<'_> {
    pub fn arrays(&self) -> Result<Vec<ArrayRef>, NodeError> {
        Ok(self.table.arrays(self.column)?)
    }

    /// All values as f64, null where null.
    pub fn floats(&self) -> Result<Vec<Option<f64>>, NodeError> {
        let mut all = Vec::with_capacity(self.table.rows());
        for array in self.arrays()? {
            let values = floats(&array)
                .map_err(|e| NodeError::new(format!("{} cannot be used: {e}", self.reference)))?;
            all.extend(values);
        }
        Ok(all)
    }

    /// The chunks as rows of f32.
    pub fn vectors(&self) -> Result<Vec<FloatRows>, NodeError> {
        let mut all = Vec::new();
        let mut start = 0;
        for array in self.arrays()? {
            let rows = vectors(&array).map_err(|e| {
                NodeError::new(format!(
                    "{} cannot be used from row {start} on: {e}",
                    self.reference
                ))
            })?;
            start += rows.rows();
            all.push(rows);
        }
        Ok(all)
    }

    pub fn is_vector(&self) -> bool {
        self.table.field(self.column).is_some_and(|f| {
            crate::table::ColumnType::of(f.data_type()) == crate::table::ColumnType::Vector
        })
    }
}
