//! Runs a row-wise node chunk by chunk: chunks that the cache holds cost a look-up, and of the
//! others only the rows that the node's identity has never computed are handed to it.

use std::collections::HashMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{FieldRef, UInt64Type};

use super::arrange::{self, Quarantined};
use super::chunk_input::ChunkInput;
use super::job::Job;
use super::{Event, NodeTables, RunError};
use crate::cache::{ChunkEntry, Existence, Manifest, Piece, PortEntry, RowIndex, TableEntry};
use crate::node::{Context, RowFailure, RowNode};
use crate::plan::OnError;
use crate::table::{Digest, KEY, RowDigest, StoredBatch, Table, UNIQUE_IDX};

/// The rows and chunks of one node's run.
struct RowJob<'a> {
    job: &'a Job<'a>,
    base: &'a Manifest,
    identity: Digest,
    worker: Option<Box<dyn RowNode>>,
    index: Option<RowIndex>,
    fields: Option<Vec<FieldRef>>,
    quarantined: Vec<Quarantined>,
    computed: usize,
}

/// Runs the node; gives its tables, how many rows were computed and how many quarantined.
pub(super) fn run(
    job: &Job<'_>,
    base: &Manifest,
    full: &Manifest,
    inputs: &[Table],
    worker: Box<dyn RowNode>,
    context: &Context<'_>,
) -> Result<(NodeTables, usize, usize), RunError> {
    let start = std::time::Instant::now();
    let (node, cache) = (job.node, job.cache);
    arrange::check_aligned(node, inputs)?;
    let mut run = RowJob {
        job,
        base,
        identity: base.identity(),
        worker: Some(worker),
        index: None,
        fields: None,
        quarantined: Vec::new(),
        computed: 0,
    };
    let chunks = inputs.first().map_or(0, |t| t.chunks().len());
    let mut pieces = Vec::with_capacity(chunks);
    for chunk in 0..chunks {
        context.check_cancelled()?;
        pieces.push(run.chunk(chunk, chunks, inputs, context)?);
    }
    if let Some(mut worker) = run.worker.take() {
        worker.close(context);
    }
    let port = &node.contract.ports[0];
    let fields = run
        .fields
        .take()
        .unwrap_or_else(|| arrange::promised_fields(port, &[]));
    let entry = TableEntry {
        manifest: full.clone(),
        ports: vec![PortEntry {
            name: port.name.to_owned(),
            fields,
            pieces,
        }],
        existence: false,
        quarantined: if run.quarantined.is_empty() {
            None
        } else {
            Some(arrange::errors_entry(&run.quarantined, cache)?)
        },
        seconds: start.elapsed().as_secs_f64(),
    };
    cache.put_table(full.key(), &entry, &Existence::default())?;
    let tables = super::lookup::load(node, &entry, inputs, cache)?;
    Ok((tables, run.computed, run.quarantined.len()))
}

impl RowJob<'_> {
    fn chunk(
        &mut self,
        chunk: usize,
        chunks: usize,
        inputs: &[Table],
        context: &Context<'_>,
    ) -> Result<Piece, RunError> {
        let (node, cache) = (self.job.node, self.job.cache);
        let input = ChunkInput::read(node, inputs, chunk, cache, true)?;
        let key = input.key(self.base);
        let rows = input.rows;
        let stored = if self.job.forced {
            None
        } else {
            cache.chunk(key)
        };
        let (piece, computed) = match stored {
            Some(entry) => {
                self.check_fields(&entry.fields)?;
                (entry.piece, 0)
            }
            None => self.compute(&input, key, chunk, inputs, context)?,
        };
        self.computed += computed;
        let name = node.name.clone();
        self.job.emit(&Event::Chunk {
            node: name,
            chunk,
            chunks,
            rows,
            computed,
        });
        Ok(piece)
    }

    fn compute(
        &mut self,
        input: &ChunkInput,
        key: Digest,
        chunk: usize,
        inputs: &[Table],
        context: &Context<'_>,
    ) -> Result<(Piece, usize), RunError> {
        let cache = self.job.cache;
        let digests = input.row_digests()?;
        let (identity, forced) = (self.identity, self.job.forced);
        let index = self.index.get_or_insert_with(|| {
            if forced {
                RowIndex::default()
            } else {
                RowIndex::load(cache, identity)
            }
        });
        // Equal rows of a chunk are computed once.
        let mut fresh: Vec<usize> = Vec::new();
        let mut position_of: HashMap<RowDigest, usize> = HashMap::new();
        for (row, digest) in digests.iter().enumerate() {
            if index.find(digest).is_none() && !position_of.contains_key(digest) {
                position_of.insert(*digest, fresh.len());
                fresh.push(row);
            }
        }
        let (computed, failures) = self.call(input, &fresh, context)?;
        let failed_at: HashMap<usize, &str> = failures
            .iter()
            .map(|f| (f.row, f.reason.as_str()))
            .collect();
        let index = self.index.get_or_insert_with(RowIndex::default);

        let mut sources: Vec<RecordBatch> = computed.into_iter().collect();
        let mut source_of: HashMap<Digest, usize> = HashMap::new();
        let mut places = Vec::with_capacity(digests.len());
        let mut failed = Vec::new();
        for (row, digest) in digests.iter().enumerate() {
            if let Some(&position) = position_of.get(digest) {
                if let Some(reason) = failed_at.get(&position) {
                    failed.push((row, (*reason).to_owned()));
                }
                places.push((0, position));
            } else if let Some(place) = index.find(digest) {
                let source = match source_of.get(&place.object) {
                    Some(&source) => source,
                    None => {
                        let batch = StoredBatch::new(cache.object_path(place.object));
                        sources.push(batch.batch()?.clone());
                        source_of.insert(place.object, sources.len() - 1);
                        sources.len() - 1
                    }
                };
                places.push((source, place.row));
            }
        }
        let whole = fresh.len() == digests.len();
        let batch = if whole {
            sources.swap_remove(0)
        } else {
            arrow::compute::interleave_record_batch(&sources.iter().collect::<Vec<_>>(), &places)?
        };
        self.check_fields(batch.schema_ref().fields())?;
        let stored = cache.put(&batch)?;
        let failed_rows: Vec<usize> = failed.iter().map(|(row, _)| *row).collect();
        let index = self.index.get_or_insert_with(RowIndex::default);
        index.publish(
            cache,
            self.identity,
            key,
            stored.piece.object,
            &digests,
            &failed_rows,
        )?;
        if failed.is_empty() {
            let fields = batch.schema().fields().to_vec();
            cache.put_chunk(
                key,
                &ChunkEntry {
                    fields,
                    piece: stored.piece.clone(),
                },
            )?;
        } else {
            self.failed(&failed, chunk, inputs)?;
        }
        Ok((stored.piece, fresh.len()))
    }

    /// Hands rows to the node and checks what it gives for them.
    fn call(
        &mut self,
        input: &ChunkInput,
        rows: &[usize],
        context: &Context<'_>,
    ) -> Result<(Option<RecordBatch>, Vec<RowFailure>), RunError> {
        if rows.is_empty() {
            return Ok((None, Vec::new()));
        }
        let Some(worker) = &mut self.worker else {
            return Err(RunError::new("the node is closed"));
        };
        let output = worker.rows(&input.batch(rows)?, context)?;
        let node = self.job.node;
        if output.columns.num_rows() != rows.len() {
            return Err(RunError::new(format!(
                "{} gave {} rows for {}",
                node.kind_name(),
                output.columns.num_rows(),
                rows.len()
            )));
        }
        if let Some(failure) = output.failed.iter().find(|f| f.row >= rows.len()) {
            return Err(RunError::new(format!(
                "{} reports a fault of row {} of {}",
                node.kind_name(),
                failure.row,
                rows.len()
            )));
        }
        arrange::check_batch(node, &node.contract.ports[0], &output.columns)?;
        Ok((Some(output.columns), output.failed))
    }

    fn check_fields(&mut self, fields: &[FieldRef]) -> Result<(), RunError> {
        let same = |known: &[FieldRef]| {
            known.len() == fields.len()
                && known
                    .iter()
                    .zip(fields)
                    .all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
        };
        match &self.fields {
            None => self.fields = Some(fields.to_vec()),
            Some(known) if same(known) => {}
            Some(known) => {
                return Err(RunError::new(format!(
                    "{} gave columns of another type than before: {fields:?} after {known:?}",
                    self.job.node.kind_name()
                )));
            }
        }
        Ok(())
    }

    /// Rows that failed: quarantined where the pipeline says so, else the end of the node.
    fn failed(
        &mut self,
        failed: &[(usize, String)],
        chunk: usize,
        inputs: &[Table],
    ) -> Result<(), RunError> {
        let table = inputs
            .first()
            .ok_or_else(|| RunError::new("no input"))?
            .select(&[KEY, UNIQUE_IDX])?;
        let batch = table.batch(chunk)?;
        let (keys, numbers) = (
            batch.column(0).as_fixed_size_binary(),
            batch.column(1).as_primitive::<UInt64Type>(),
        );
        if self.job.node.on_error == OnError::Quarantine {
            self.quarantined
                .extend(failed.iter().map(|(row, reason)| Quarantined {
                    key: keys.value(*row).to_vec(),
                    unique_idx: numbers.value(*row),
                    reason: reason.clone(),
                }));
            return Ok(());
        }
        let shown: Vec<String> = failed
            .iter()
            .take(10)
            .map(|(row, reason)| format!("  unique_idx {}: {reason}", numbers.value(*row)))
            .collect();
        let more = failed.len().saturating_sub(shown.len());
        let more = if more > 0 {
            format!("\n  and {more} more")
        } else {
            String::new()
        };
        Err(RunError {
            message: format!("{} of {} rows failed\n{}{more}", failed.len(), batch.num_rows(), shown.join("\n")),
            help: Some("mend or remove them, or set `on_error: quarantine` to go on without them; the other rows are kept".into()),
            cancelled: false,
        })
    }
}
