//! What a row-wise node reads of one chunk: the columns, and the contents of the files that rows name.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, FieldRef, Schema};

use super::RunError;
use super::lookup::file_contents;
use crate::cache::{Cache, Manifest};
use crate::plan::PlanNode;
use crate::table::{Chunk, Column, Digest, Digester, RowDigest, Table, row_digests};

/// One chunk of an input.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub fields: &'a [FieldRef],
    pub chunk: &'a Chunk,
}

impl Part<'_> {
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name() == name)
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.index(name).map(|index| &self.chunk.columns[index])
    }
}

/// The chunks of several tables at one place.
pub(super) fn parts(tables: &[Table], chunk: usize) -> Vec<Part<'_>> {
    let part = |table| Part {
        fields: Table::fields(table),
        chunk: &Table::chunks(table)[chunk],
    };
    tables.iter().map(part).collect()
}

/// What a node reads of one chunk.
pub(super) struct ChunkInput {
    names: Vec<(String, FieldRef)>,
    arrays: Vec<ArrayRef>,
    /// Contents of the files that a column of paths names, by the name of that column.
    contents: Vec<(String, Vec<Option<Digest>>)>,
    digests: Vec<(String, Digest)>,
    pub rows: usize,
}

impl ChunkInput {
    pub(super) fn read(
        node: &PlanNode,
        parts: &[Part<'_>],
        cache: &Cache,
        with_arrays: bool,
    ) -> Result<Self, RunError> {
        let mut input = Self {
            names: vec![],
            arrays: vec![],
            contents: vec![],
            digests: vec![],
            rows: 0,
        };
        for (plan, part) in node.inputs.iter().zip(parts) {
            input.rows = part.chunk.rows;
            for read in &plan.need.reads {
                let index = part.index(&read.column).ok_or_else(|| {
                    RunError::new(format!(
                        "`{}` has no column `{}`",
                        plan.need.text, read.column
                    ))
                })?;
                let name = match &plan.need.label {
                    Some(label) => label.clone(),
                    None if plan.need.is_column => plan.need.key.to_owned(),
                    None => read.column.clone(),
                };
                let column = &part.chunk.columns[index];
                if read.files {
                    let contents = file_contents(&column.array()?, cache)?;
                    input
                        .digests
                        .push((name.clone(), contents_digest(&contents)));
                    input.contents.push((name.clone(), contents));
                } else {
                    input.digests.push((name.clone(), column.digest()));
                }
                if with_arrays {
                    input.arrays.push(column.array()?);
                }
                input.names.push((name, part.fields[index].clone()));
            }
        }
        Ok(input)
    }

    pub(super) fn key(&self, base: &Manifest) -> Digest {
        let columns: Vec<(&str, Digest)> =
            self.digests.iter().map(|(n, d)| (n.as_str(), *d)).collect();
        base.chunk_key(&columns)
    }

    pub(super) fn row_digests(&self) -> Result<Vec<RowDigest>, RunError> {
        let is_file = |name: &str| self.contents.iter().any(|(n, _)| n == name);
        let columns: Vec<(&str, ArrayRef)> = self
            .names
            .iter()
            .zip(&self.arrays)
            .filter(|((name, _), _)| !is_file(name))
            .map(|((name, _), array)| (name.as_str(), array.clone()))
            .collect();
        let contents: Vec<(&str, Vec<Option<Digest>>)> = self
            .contents
            .iter()
            .map(|(n, c)| (n.as_str(), c.clone()))
            .collect();
        Ok(row_digests(&columns, &contents, self.rows)?)
    }

    /// The rows at `positions` as the node sees them.
    pub(super) fn batch(&self, positions: &[usize]) -> Result<RecordBatch, RunError> {
        let fields: Vec<Field> = self
            .names
            .iter()
            .map(|(n, f)| f.as_ref().clone().with_name(n))
            .collect();
        let all = RecordBatch::try_new(Arc::new(Schema::new(fields)), self.arrays.clone())?;
        if positions.len() == self.rows {
            return Ok(all);
        }
        let positions =
            arrow::array::UInt64Array::from_iter_values(positions.iter().map(|&p| p as u64));
        Ok(arrow::compute::take_record_batch(&all, &positions)?)
    }
}

fn contents_digest(contents: &[Option<Digest>]) -> Digest {
    let mut digester = Digester::new("trommel.contents.1");
    for content in contents {
        digester.push("file", content.as_ref().map_or(&[][..], |d| d.as_bytes()));
    }
    digester.finish()
}
