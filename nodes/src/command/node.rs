//! A node whose rows go to copies of a program, in requests of some rows each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use arrow::array::StringArray;
use arrow::compute::concat_batches;
use serde_json::{Value as Json, json};
use trommel_engine::node::prelude::*;
use trommel_engine::table::strings;

use super::{Config, Given, answer};

pub(crate) fn build(kind: &'static str, config: &Config) -> Result<Work, NodeError> {
    let program = config.command.program()?;
    let settings = match &config.config {
        Json::Null => json!({}),
        other => other.clone(),
    };
    let timeout = Duration::from_secs(config.timeout.get().into());
    let copies = (0..config.processes.get()).map(|_| {
        Remote::new(kind, settings.clone(), config.device).in_program(program.clone(), timeout)
    });
    let pairs = |names: &super::column_names::ColumnNames, opens| -> Vec<Seen> {
        let seen = names.pairs().map(|(name, column)| Seen {
            name: name.to_owned(),
            column: column.to_owned(),
            opens,
        });
        seen.collect()
    };
    Ok(Work::rows(InProgram {
        program: program.to_string(),
        copies: copies.collect(),
        request: config.batch_size.map(|rows| rows.get() as usize),
        sees: [pairs(&config.opens, true), pairs(&config.reads, false)].concat(),
        gives: config.gives.clone(),
    }))
}

/// A column as the program sees it.
#[derive(Clone)]
struct Seen {
    name: String,
    column: String,
    /// It holds paths of files that the program opens.
    opens: bool,
}

struct InProgram {
    /// For messages.
    program: String,
    copies: Vec<Remote>,
    /// Rows of a request.
    request: Option<usize>,
    sees: Vec<Seen>,
    gives: BTreeMap<String, Given>,
}

impl InProgram {
    fn seen(&self, rows: &RecordBatch) -> Result<RecordBatch, NodeError> {
        let columns = self.sees.iter().map(|seen| {
            let column = rows
                .column_by_name(&seen.column)
                .ok_or_else(|| NodeError::new(format!("there is no column `{}`", seen.column)))?;
            let column = if seen.opens {
                absolute(column)?
            } else {
                column.clone()
            };
            Ok((&seen.name, column, true))
        });
        let columns = columns.collect::<Result<Vec<_>, NodeError>>()?;
        Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
    }
}

/// The program works in another folder than the engine, which has read the files for their digests.
fn absolute(paths: &ArrayRef) -> Result<ArrayRef, NodeError> {
    let paths = strings(paths)?;
    let absolute = paths.iter().map(|path| {
        path.map(|path| Ok::<_, NodeError>(std::path::absolute(path)?.display().to_string()))
            .transpose()
    });
    Ok(Arc::new(absolute.collect::<Result<StringArray, _>>()?))
}

impl RowNode for InProgram {
    fn rows(&mut self, rows: &RecordBatch, context: &Context<'_>) -> Result<RowOutput, NodeError> {
        let seen = self.seen(rows)?;
        let count = rows.num_rows();
        let size = self
            .request
            .unwrap_or_else(|| count.div_ceil(self.copies.len()))
            .max(1);
        let requests: Vec<RecordBatch> = (0..count)
            .step_by(size)
            .map(|start| seen.slice(start, size.min(count - start)))
            .collect();
        let mut columns = Vec::with_capacity(requests.len());
        let mut failed = Vec::new();
        for (number, answer) in ask(&mut self.copies, &requests, context)?
            .into_iter()
            .enumerate()
        {
            let rows = requests[number].num_rows();
            let fitted = answer::fit(answer, rows, &mut self.gives).map_err(|misfit| {
                let message = format!("the worker {} {}", self.program, misfit.message);
                NodeError {
                    help: misfit.help,
                    ..NodeError::new(message)
                }
            })?;
            columns.push(fitted.columns);
            let in_chunk = fitted.failed.into_iter().map(|failure| RowFailure {
                row: failure.row + number * size,
                ..failure
            });
            failed.extend(in_chunk);
        }
        let schema = columns[0].schema();
        Ok(RowOutput {
            columns: concat_batches(&schema, &columns)?,
            failed,
        })
    }

    fn close(&mut self, context: &Context<'_>) {
        for copy in &mut self.copies {
            copy.close(context);
        }
    }
}

/// The answers to all requests, in their order. Each copy takes the next request as soon as it is free.
fn ask(
    copies: &mut [Remote],
    requests: &[RecordBatch],
    context: &Context<'_>,
) -> Result<Vec<RowOutput>, NodeError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = |copy: &mut Remote| {
        let mut answers = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = requests.get(at) else {
                break;
            };
            let answer = copy.rows(request, context);
            failed.fetch_or(answer.is_err(), Ordering::Relaxed);
            answers.push((at, answer));
        }
        answers
    };
    let mut answers = thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = copies
            .iter_mut()
            .map(|copy| scope.spawn(move || work(copy)))
            .collect();
        let mut answers = Vec::with_capacity(requests.len());
        for thread in threads {
            let of_copy = thread.join();
            answers.extend(of_copy.map_err(|_| NodeError::new("a fault of this program"))?);
        }
        Ok::<_, NodeError>(answers)
    })?;
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
