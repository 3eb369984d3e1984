//! Runs a whole-table node: gathers what it pushes into chunks and stores them as they fill.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::FieldRef;

use super::arrange;
use super::chunk_input::Part;
use super::job::Job;
use super::port_files::PortFiles;
use super::row_failures::failed;
use super::storing::{Give, Storing};
use super::{NodeTables, RunError};
use crate::cache::{Existence, Manifest, PortEntry, TableEntry};
use crate::node::{Context, Inputs, NodeError, Outputs, Port, RowFailure, RowsOf, TableNode};
use crate::plan::PlanNode;
use crate::table::{CHUNK_ROWS, Chunk, Table};

/// Runs the node; gives its tables, the rows of its default port, and how many of them failed.
pub(super) fn run(
    job: &Job<'_>,
    full: &Manifest,
    inputs: &[Table],
    worker: &mut dyn TableNode,
    context: &Context<'_>,
) -> Result<(NodeTables, usize, usize), RunError> {
    let start = std::time::Instant::now();
    let node = job.node;
    if !node.contract.unaligned {
        arrange::check_aligned(node, inputs)?;
    }
    let mut given = Inputs::new();
    for (plan, table) in node.inputs.iter().zip(inputs) {
        given.push(
            plan.need.key,
            plan.need.text.clone(),
            table.clone(),
            plan.column.clone(),
            plan.need.label.clone(),
        );
    }
    let (ports, existence, failures) = thread::scope(|scope| {
        let ports = node.contract.ports.iter().enumerate();
        let mut gather = Gather {
            job,
            ports: ports
                .map(|(number, port)| {
                    let storing = Storing::new(scope, job.cache, give_on(job, number, port));
                    Gathered::new(port, job, inputs, storing)
                })
                .collect::<Result<_, _>>()?,
            existence: Existence::default(),
            failures: Vec::new(),
        };
        worker.table(&given, &mut gather, context)?;
        context.check_cancelled()?;
        let ports = gather.ports.into_iter();
        let ports = ports
            .map(|port| port.finish(job, inputs))
            .collect::<Result<Vec<_>, RunError>>()?;
        Ok::<_, RunError>((ports, gather.existence, gather.failures))
    })?;
    let quarantined = set_aside(node, &failures, inputs)?;
    let entry = TableEntry {
        manifest: full.clone(),
        ports,
        existence: !existence.0.is_empty(),
        quarantined: if quarantined.is_empty() {
            None
        } else {
            Some(arrange::errors_entry(&quarantined, job.cache)?)
        },
        seconds: start.elapsed().as_secs_f64(),
    };
    job.cache.put_table(full.key(), &entry, &existence)?;
    let tables = super::lookup::load(node, &entry, inputs, job.cache)?;
    let rows = tables.ports.first().map_or(0, Table::rows);
    Ok((tables, rows, quarantined.len()))
}

/// The rows that the node could not do, chunk by chunk as of row-wise nodes.
fn set_aside(
    node: &PlanNode,
    failures: &[RowFailure],
    inputs: &[Table],
) -> Result<Vec<arrange::Quarantined>, RunError> {
    let RowsOf::Input(key) = node.contract.ports[0].rows else {
        return Ok(Vec::new());
    };
    if failures.is_empty() {
        return Ok(Vec::new());
    }
    let rows_of = arrange::input(node, key, inputs)?;
    let mut by_row: BTreeMap<usize, &str> = BTreeMap::new();
    for failure in failures {
        by_row.insert(failure.row, &failure.reason);
    }
    let mut quarantined = Vec::new();
    let mut first = 0;
    for chunk in rows_of.chunks() {
        let rows = by_row.range(first..first + chunk.rows);
        let rows: Vec<(usize, String)> = rows
            .map(|(row, reason)| (row - first, (*reason).to_owned()))
            .collect();
        if !rows.is_empty() {
            let fields = rows_of.fields();
            quarantined.extend(failed(node, &rows, Part { fields, chunk })?);
        }
        first += chunk.rows;
    }
    Ok(quarantined)
}

/// Gives stored chunks to those who read the port while the node runs.
fn give_on<'a>(job: &Job<'a>, number: usize, port: &Port) -> Give<'a> {
    // What a failed call has given must not be read twice, so a node that may be called again keeps its chunks back.
    if port.rows != RowsOf::New || job.node.contract.retries > 0 {
        return Box::new(|_, _| {});
    }
    let (cache, stream) = (job.cache, job.stream);
    Box::new(move |schema, piece| {
        let columns = cache.columns(piece);
        let rows = piece.rows;
        stream.push(number, schema.fields(), Chunk { rows, columns });
    })
}

struct Gather<'scope, 'a> {
    job: &'a Job<'a>,
    ports: Vec<Gathered<'scope, 'a>>,
    existence: Existence,
    failures: Vec<RowFailure>,
}

/// What has been pushed to one port.
struct Gathered<'scope, 'a> {
    port: &'a Port,
    /// The rows of each chunk to come, where they are given by an input.
    sizes: Option<std::collections::VecDeque<usize>>,
    fields: Option<Vec<FieldRef>>,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    storing: Storing<'scope, 'a>,
    files: PortFiles,
}

impl Outputs for Gather<'_, '_> {
    fn push(&mut self, port: &str, batch: RecordBatch) -> Result<(), NodeError> {
        let job = self.job;
        self.port(port, false)?.push(batch, job)?;
        Ok(())
    }

    fn file(&mut self, port: &str, name: &str, path: &Path) -> Result<PathBuf, NodeError> {
        let cache = self.job.cache;
        let blob = self.port(port, true)?.files.take(name, path, cache)?;
        Ok(std::path::absolute(cache.blob_path(blob.digest))?)
    }

    fn failed(&mut self, failure: RowFailure) -> Result<(), NodeError> {
        let node = self.job.node;
        if !node.contract.fails_by_row {
            let kind = node.kind_name();
            return Err(NodeError::new(format!("{kind} does not fail by row")));
        }
        self.failures.push(failure);
        Ok(())
    }

    fn depends_on_existence(&mut self, path: PathBuf, exists: bool) {
        self.existence.0.push((path, exists));
    }
}

impl<'scope, 'a> Gather<'scope, 'a> {
    fn port(&mut self, name: &str, of_files: bool) -> Result<&mut Gathered<'scope, 'a>, RunError> {
        let mut ports = self.ports.iter_mut();
        let port = ports.find(|p| p.port.name == name && p.port.files == of_files);
        port.ok_or_else(|| {
            let (kind, what) = (
                self.job.node.kind_name(),
                if of_files { "files" } else { "rows" },
            );
            RunError::new(format!("{kind} has no port `{name}` of {what}"))
        })
    }
}

impl<'scope, 'a> Gathered<'scope, 'a> {
    fn new(
        port: &'a Port,
        job: &Job<'_>,
        inputs: &[Table],
        storing: Storing<'scope, 'a>,
    ) -> Result<Self, RunError> {
        let sizes = match port.rows {
            RowsOf::Input(key) => Some(
                arrange::input(job.node, key, inputs)?
                    .chunks()
                    .iter()
                    .map(|c| c.rows)
                    .collect(),
            ),
            _ => None,
        };
        Ok(Self {
            port,
            sizes,
            fields: None,
            waiting: Vec::new(),
            waiting_rows: 0,
            storing,
            files: PortFiles::default(),
        })
    }

    fn push(&mut self, batch: RecordBatch, job: &Job<'_>) -> Result<(), RunError> {
        arrange::check_batch(job.node, self.port, &batch)?;
        match &self.fields {
            None => self.fields = Some(batch.schema().fields().to_vec()),
            Some(known) if known.as_slice() == batch.schema().fields().as_ref() => {}
            Some(_) => {
                return Err(RunError::new(format!(
                    "{} changed the columns of `{}`",
                    job.node.kind_name(),
                    self.port.name
                )));
            }
        }
        self.waiting_rows += batch.num_rows();
        self.waiting.push(batch);
        loop {
            let size = self
                .sizes
                .as_ref()
                .map_or(Some(CHUNK_ROWS), |s| s.front().copied());
            let Some(size) = size else {
                if self.waiting_rows > 0 {
                    return Err(RunError::new(format!(
                        "{} gave more rows than its input has",
                        job.node.kind_name()
                    )));
                }
                return Ok(());
            };
            if self.waiting_rows < size || size == 0 {
                return Ok(());
            }
            self.store(size)?;
        }
    }

    /// Begins to store the first `size` waiting rows as a chunk.
    fn store(&mut self, size: usize) -> Result<(), RunError> {
        let schema = self.waiting[0].schema();
        let mut taken = Vec::new();
        let mut missing = size;
        while missing > 0 {
            let first = &self.waiting[0];
            let count = first.num_rows().min(missing);
            taken.push(first.slice(0, count));
            missing -= count;
            if count == first.num_rows() {
                self.waiting.remove(0);
            } else {
                self.waiting[0] = first.slice(count, first.num_rows() - count);
            }
        }
        self.waiting_rows -= size;
        let chunk = if taken.len() == 1 {
            taken.swap_remove(0)
        } else {
            concat_batches(&schema, &taken)?
        };
        self.storing.begin(chunk)?;
        if let Some(sizes) = &mut self.sizes {
            sizes.pop_front();
        }
        Ok(())
    }

    fn finish(mut self, job: &Job<'_>, inputs: &[Table]) -> Result<PortEntry, RunError> {
        if !self.files.is_empty() {
            self.push(self.files.rows()?, job)?;
        }
        if let Some(sizes) = &self.sizes
            && !sizes.iter().all(|&s| s == 0)
        {
            return Err(RunError::new(format!(
                "{} gave fewer rows than its input has",
                job.node.kind_name()
            )));
        }
        if self.waiting_rows > 0 {
            self.store(self.waiting_rows)?;
        }
        let passed: Vec<FieldRef> = match self.port.passes {
            Some(key) => arrange::input(job.node, key, inputs)?.fields().to_vec(),
            None => Vec::new(),
        };
        let fields = self
            .fields
            .unwrap_or_else(|| arrange::promised_fields(self.port, &passed));
        Ok(PortEntry {
            name: self.port.name.to_owned(),
            fields,
            pieces: self.storing.finish()?,
            blobs: self.files.blobs(),
        })
    }
}
