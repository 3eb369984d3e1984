//! Who looks through all rows for those that are near: the worker, which may have a GPU for it.
//!
//! What it computes only has to be near: the pairs that may count are computed once more in the fixed order that makes
//! the picks the same everywhere. So the picks do not depend on who looks.

use arrow::array::{ListArray, UInt32Array};
use arrow::datatypes::{Float32Type, UInt32Type};
use trommel_engine::node::prelude::*;
use trommel_engine::node::{Remote, RowNode};

/// Rows that are near a query.
pub struct Found {
    /// With their cosines, off by at most what a product in f32 may be; the largest first.
    pub neighbours: Vec<(usize, f32)>,
    /// Whether these are all rows that are left.
    pub all: bool,
}

/// Looks through all rows.
pub trait Near {
    /// For each query (a row's index) the `count` most similar other rows that are not `gone`, or all.
    fn near(
        &mut self,
        queries: &[usize],
        count: usize,
        gone: &[bool],
    ) -> Result<Vec<Found>, NodeError>;
}

/// The worker's kind for this; it is no kind of node.
const KIND: &str = "select.diverse";
/// The input that holds the vectors, in both programs.
const VECTORS: &str = "vectors";

/// The worker, which holds the vectors.
pub(super) struct InWorker<'a> {
    remote: Remote,
    context: &'a Context<'a>,
    /// The table's row of each row that may be picked.
    rows: &'a [usize],
    /// The other way round; none for rows that may not.
    places: Vec<Option<usize>>,
    /// Rows of which the worker knows that they are gone, or may not be picked.
    told: Vec<bool>,
}

impl<'a> InWorker<'a> {
    /// Hands the worker the vectors. `rows` are those of the table that may be picked, in their order.
    pub(super) fn new(
        device: Device,
        inputs: &Inputs,
        rows: &'a [usize],
        context: &'a Context<'a>,
    ) -> Result<Self, NodeError> {
        let mut remote = Remote::new(KIND, serde_json::Value::Null, device);
        remote.keep(VECTORS, inputs, context)?;
        let mut places = vec![None; inputs.table(VECTORS)?.rows()];
        for (place, &row) in rows.iter().enumerate() {
            places[row] = Some(place);
        }
        Ok(Self {
            remote,
            context,
            rows,
            told: vec![false; places.len()],
            places,
        })
    }

    /// Rows of the table that are gone and of which the worker does not know yet.
    fn newly_gone(&mut self, gone: &[bool]) -> Vec<u32> {
        let mut news = Vec::new();
        for (row, (place, told)) in self.places.iter().zip(&mut self.told).enumerate() {
            if !*told && place.is_none_or(|place| gone[place]) {
                *told = true;
                news.push(row as u32);
            }
        }
        news
    }

    /// What the answer says; none where it is no answer to the question.
    fn found(&self, answer: &RecordBatch, count: usize) -> Option<Vec<Found>> {
        let lists = |name: &str| answer.column_by_name(name)?.as_list_opt::<i32>();
        let (rows, cosines) = (lists("row")?, lists("cosine")?);
        let lists = rows.iter().zip(cosines.iter());
        lists
            .map(|(rows, cosines)| {
                let (rows, cosines) = (rows?, cosines?);
                let rows = rows.as_primitive_opt::<UInt32Type>()?.values();
                let cosines = cosines.as_primitive_opt::<Float32Type>()?.values();
                let places = rows.iter().map(|&row| *self.places.get(row as usize)?);
                let neighbours = places
                    .zip(cosines)
                    .map(|(place, &cosine)| Some((place?, cosine)));
                let neighbours = neighbours.collect::<Option<Vec<_>>>()?;
                let all = neighbours.len() < count;
                (rows.len() == cosines.len()).then_some(Found { neighbours, all })
            })
            .collect()
    }
}

impl Near for InWorker<'_> {
    fn near(
        &mut self,
        queries: &[usize],
        count: usize,
        gone: &[bool],
    ) -> Result<Vec<Found>, NodeError> {
        // More than there are neighbours, so that it shows where these are all.
        let count = count.min(self.rows.len());
        let mut news = Some(self.newly_gone(gone));
        let gone_lists = queries.iter().map(|_| {
            let news = news.take().unwrap_or_default();
            Some(news.into_iter().map(Some))
        });
        let gone_lists = ListArray::from_iter_primitive::<UInt32Type, _, _>(gone_lists);
        let rows = queries.iter().map(|&query| self.rows[query] as u32);
        let counts = queries.iter().map(|_| count as u32);
        let columns: [(_, ArrayRef); 3] = [
            ("row", Arc::new(UInt32Array::from_iter_values(rows))),
            ("count", Arc::new(UInt32Array::from_iter_values(counts))),
            ("gone", Arc::new(gone_lists)),
        ];
        let request = RecordBatch::try_from_iter(columns)?;
        let answer = self.remote.rows(&request, self.context)?;
        let found = self.found(&answer.columns, count);
        found
            .filter(|found| found.len() == queries.len())
            .ok_or_else(|| NodeError::new("the worker's answer is not what was asked for"))
    }
}

impl Drop for InWorker<'_> {
    fn drop(&mut self) {
        RowNode::close(&mut self.remote, self.context);
    }
}
