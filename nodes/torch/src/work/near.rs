//! Looks for near rows, for select.diverse: holds a column of vectors on the device, and finds for rows of it the most
//! similar others. Cosines are products of rows of length 1 in f32 (never TF32), near enough for the engine to compute
//! once more only those that may count.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, RecordBatch, UInt32Array};
use arrow::datatypes::{Float32Type, UInt32Type};
use serde_json::Value as Json;
use tch::{Device, Kind, Tensor};
use trommel_engine::table::{FloatRows, vectors};

use super::columns::{self, input, place};
use super::{Events, RowAnswer, RowWork, SearchWork, Session, TableJob, TableWork, WorkError};

/// The input that holds the vectors, in both programs.
const VECTORS: &str = "vectors";

/// Below every cosine.
const GONE: f64 = f64::NEG_INFINITY;

#[expect(clippy::unnecessary_wraps, reason = "it is one of several openers")]
pub(super) fn open(_: Json, device: Device) -> Result<Session, WorkError> {
    Ok(Session::Search(Box::new(Near { device, held: None })))
}

struct Near {
    device: Device,
    held: Option<Held>,
}

struct Held {
    /// N x D, rows of length 1; those without a vector hold what is no number, and are gone before anybody asks.
    vectors: Tensor,
    /// N: whether a row is no longer left.
    gone: Tensor,
}

impl SearchWork for Near {}

impl TableWork for Near {
    fn table(&mut self, job: &TableJob<'_>, _: &mut dyn Events) -> Result<(), WorkError> {
        let table = input(job.inputs, VECTORS)?;
        let column = table.column.as_deref().unwrap_or(VECTORS);
        let chunks = columns::chunks(table, column)?;
        let chunks: Vec<FloatRows> = chunks.iter().map(vectors).collect::<Result<_, _>>()?;
        let width = chunks.iter().map(FloatRows::width).max().unwrap_or(0);
        // A chunk of lists that are all null has no width.
        let is_empty = |chunk: &FloatRows| chunk.width() == 0;
        if chunks
            .iter()
            .any(|chunk| chunk.width() != width && !is_empty(chunk))
        {
            return Err(WorkError::Table {
                place: place(table),
                reason: format!("the vectors of `{column}` have different lengths"),
            });
        }
        let count = chunks.iter().map(FloatRows::rows).sum::<usize>() as i64;
        let shape = [count, width as i64];
        let vectors = Tensor::full(shape, f64::NAN, (Kind::Float, self.device));
        let mut first = 0;
        for chunk in &chunks {
            let rows = chunk.rows() as i64;
            if !is_empty(chunk) {
                let values = Tensor::from_slice(chunk.values()).view([rows, width as i64]);
                // Lengths in f64: their rounding must not grow with the width.
                let values = values.to_device(self.device).to_kind(Kind::Double);
                let length = values.square().sum_dim_intlist(1_i64, true, Kind::Double);
                let unit = (values / length.sqrt()).to_kind(Kind::Float);
                vectors.narrow(0, first, rows).copy_(&unit);
            }
            first += rows;
        }
        let gone = Tensor::zeros([count], (Kind::Bool, self.device));
        self.held = Some(Held { vectors, gone });
        Ok(())
    }
}

impl RowWork for Near {
    /// `row` (u32) is asked about, `count` (u32) neighbours are wanted, `gone` (lists of u32) are rows that are not left from
    /// now on. The answer holds lists of `row` and `cosine`, the largest first.
    fn rows(&mut self, asked: &RecordBatch) -> Result<RowAnswer, WorkError> {
        let held = self.held.as_mut().ok_or(WorkError::Request {
            wanted: "`table` before `rows`",
        })?;
        let numbers = |array: &ArrayRef, column: &'static str| {
            array
                .as_any()
                .downcast_ref::<UInt32Array>()
                .map(|array| {
                    array
                        .values()
                        .iter()
                        .map(|&v| i64::from(v))
                        .collect::<Vec<i64>>()
                })
                .ok_or_else(|| WorkError::ColumnType {
                    place: "rows".into(),
                    column: column.into(),
                    found: array.data_type().to_string(),
                    expected: "u32",
                })
        };
        let column = |name: &'static str| {
            asked.column_by_name(name).ok_or_else(|| WorkError::Column {
                place: "rows".into(),
                column: name.into(),
                found: "others".into(),
            })
        };
        let rows = numbers(column("row")?, "row")?;
        let counts = numbers(column("count")?, "count")?;
        if let Some(lists) = column("gone")?.as_any().downcast_ref::<ListArray>() {
            let newly = numbers(lists.values(), "gone")?;
            held.leave_out(&newly);
        }
        let found = held.nearest(&rows, counts.iter().copied().max().unwrap_or(0));
        let rows = found
            .iter()
            .map(|list| Some(list.iter().map(|&(row, _)| Some(row))));
        let rows = ListArray::from_iter_primitive::<UInt32Type, _, _>(rows);
        let cosines = found
            .iter()
            .map(|list| Some(list.iter().map(|&(_, cosine)| Some(cosine))));
        let cosines = ListArray::from_iter_primitive::<Float32Type, _, _>(cosines);
        let columns: [(_, ArrayRef); 2] = [("row", Arc::new(rows)), ("cosine", Arc::new(cosines))];
        Ok(RowAnswer {
            columns: RecordBatch::try_from_iter(columns)?,
            failed: Vec::new(),
        })
    }
}

impl Held {
    fn leave_out(&mut self, rows: &[i64]) {
        if !rows.is_empty() {
            let rows = Tensor::from_slice(rows).to_device(self.gone.device());
            let _ = self.gone.index_fill_(0, &rows, 1);
        }
    }

    /// Up to `count` other rows that are left, for each of `rows`.
    fn nearest(&self, rows: &[i64], count: i64) -> Vec<Vec<(u32, f32)>> {
        let asked = Tensor::from_slice(rows).to_device(self.vectors.device());
        let queries = self.vectors.index_select(0, &asked);
        let cosines = queries.matmul(&self.vectors.tr());
        // Not a sum: rows without a vector have no cosine.
        let cosines = cosines.masked_fill(&self.gone.unsqueeze(0), GONE);
        let cosines = cosines.scatter_value(1, &asked.unsqueeze(1), GONE);
        let count = count.min(self.gone.size()[0]);
        let (cosines, found) = cosines.topk(count, 1, true, true);
        let cosines: Vec<f32> = flat(&cosines.to_kind(Kind::Float));
        let found: Vec<i64> = flat(&found);
        let width = count.max(1) as usize;
        let lists = found.chunks(width).zip(cosines.chunks(width));
        let left = |(&row, &cosine): (&i64, &f32)| {
            (f64::from(cosine) > GONE).then_some((row as u32, cosine))
        };
        let mut lists: Vec<Vec<(u32, f32)>> = lists
            .map(|(rows, cosines)| rows.iter().zip(cosines).filter_map(left).collect())
            .collect();
        lists.resize(rows.len(), Vec::new());
        lists
    }
}

fn flat<T: tch::kind::Element + Copy + Default>(tensor: &Tensor) -> Vec<T> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut values = vec![T::default(); tensor.numel()];
    let count = values.len();
    tensor.copy_data(&mut values, count);
    values
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, FixedSizeListArray};

    use super::super::testing::{Recorded, stored};
    use super::*;

    /// Work that was given these rows, chunk by chunk.
    fn given(chunks: &[&[Option<[f32; 2]>]]) -> Box<dyn SearchWork> {
        let folder = tempfile::tempdir().unwrap();
        let chunk = |(number, rows): (usize, &&[Option<[f32; 2]>])| {
            let values = rows.iter().map(|row| row.map(|row| row.map(Some)));
            let column: ArrayRef =
                Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(values, 2));
            let name = format!("clip{number}.clip");
            stored(
                folder.path(),
                VECTORS,
                &name,
                Some("clip"),
                &[("clip", column)],
            )
        };
        let mut tables = chunks.iter().enumerate().map(chunk);
        let mut table = tables.next().unwrap();
        table.chunks.extend(tables.flat_map(|table| table.chunks));
        let mut near = unasked();
        let job = TableJob {
            inputs: &[table],
            folder: None,
            dry_run: false,
        };
        near.table(&job, &mut Recorded::default()).unwrap();
        near
    }

    fn unasked() -> Box<dyn SearchWork> {
        match open(Json::Null, Device::Cpu).unwrap() {
            Session::Search(near) => near,
            _ => panic!("it is asked about tables and rows"),
        }
    }

    /// Up to nine rows near `row`, with their cosines.
    fn ask(
        near: &mut dyn SearchWork,
        row: u32,
        gone: Vec<u32>,
    ) -> Result<(Vec<u32>, Vec<f32>), WorkError> {
        let gone =
            ListArray::from_iter_primitive::<UInt32Type, _, _>([Some(gone.into_iter().map(Some))]);
        let columns: [(_, ArrayRef); 3] = [
            ("row", Arc::new(UInt32Array::from(vec![row]))),
            ("count", Arc::new(UInt32Array::from(vec![9]))),
            ("gone", Arc::new(gone)),
        ];
        let answer = near.rows(&RecordBatch::try_from_iter(columns).unwrap())?;
        let list = |name: &str| answer.columns[name].as_list::<i32>().value(0);
        let (rows, cosines) = (list("row"), list("cosine"));
        let rows = rows.as_primitive::<UInt32Type>().values().to_vec();
        Ok((
            rows,
            cosines.as_primitive::<Float32Type>().values().to_vec(),
        ))
    }

    #[test]
    fn the_most_similar_rows_that_are_left_come_first() {
        assert!(
            ask(&mut *unasked(), 0, vec![]).is_err(),
            "there are no vectors yet"
        );
        let mut near = given(&[&[
            Some([1.0, 0.0]),
            Some([0.0, 2.0]),
            None,
            Some([3.0, 3.0]),
            Some([-1.0, 0.0]),
        ]]);
        let (rows, cosines) = ask(&mut *near, 0, vec![2]).unwrap();
        assert_eq!(rows, [3, 1, 4]);
        for (cosine, expected) in cosines.iter().zip([0.5_f32.sqrt(), 0.0, -1.0]) {
            assert!((cosine - expected).abs() < 1e-6, "{cosines:?}");
        }
        assert_eq!(ask(&mut *near, 0, vec![3]).unwrap().0, [1, 4]);
        // Rows that are equally near come in any order.
        let mut rows = ask(&mut *near, 3, vec![]).unwrap().0;
        rows[..2].sort_unstable();
        assert_eq!(rows, [0, 1, 4]);
    }

    #[test]
    fn a_chunk_without_vectors_is_passed_over() {
        let rows = [Some([1.0, 0.0]), Some([0.0, 1.0])];
        let more = [Some([1.0, 0.1]), Some([0.1, 1.0])];
        let mut near = given(&[&rows, &[None, None], &more]);
        let (rows, cosines) = ask(&mut *near, 0, vec![2, 3]).unwrap();
        assert_eq!(rows, [4, 5, 1]);
        assert!(cosines[0] > 0.99, "{cosines:?}");
    }
}
