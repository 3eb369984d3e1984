//! Runs a row-wise node chunk by chunk as its inputs come: chunks that the cache holds cost a look-up,
//! and of the others only the rows that the node's identity has never computed are handed to it.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::FieldRef;
use tempfile::TempDir;

use super::arrange::{self, Quarantined};
use super::chunk_input::{ChunkInput, Part};
use super::job::{Did, Finished, Job};
use super::missing::{Found, Missing};
use super::row_failures::failed;
use super::row_parts::{beside, check_aligned};
use super::stream::Arrived;
use super::{Event, RunError, lookup};
use crate::cache::{ChunkEntry, Existence, Manifest, Piece, PortEntry, RowIndex, TableEntry};
use crate::node::{RowFailure, RowNode, RowsOf, Work};
use crate::table::{Chunk, Digest, Table};

/// A row-wise node's run so far.
pub(super) struct RowRun {
    base: Manifest,
    identity: Digest,
    /// The chunks of each input that are there.
    inputs: Vec<Arrived>,
    complete: bool,
    worker: Option<(Box<dyn RowNode>, TempDir)>,
    index: Option<RowIndex>,
    fields: Option<Vec<FieldRef>>,
    pieces: Vec<Piece>,
    quarantined: Vec<Quarantined>,
    computed: usize,
    started: Option<Instant>,
    /// Chunks that were looked at and have rows to compute: the next one, and one that its node was told of ahead.
    waiting: VecDeque<Missing>,
}

/// Where a run stands when [`RowRun::advance`] returns.
#[derive(PartialEq)]
pub(super) enum Step {
    /// All chunks that are there are done.
    CaughtUp,
    /// The next chunk has rows that only the node can compute.
    HasWork,
}

impl RowRun {
    pub(super) fn new(base: Manifest, inputs: usize) -> Self {
        Self {
            identity: base.identity(),
            base,
            inputs: vec![Arrived::default(); inputs],
            complete: false,
            worker: None,
            index: None,
            fields: None,
            pieces: Vec::new(),
            quarantined: Vec::new(),
            computed: 0,
            started: None,
            waiting: VecDeque::new(),
        }
    }

    /// Takes further chunks; `complete` says that no more will come.
    pub(super) fn arrive(&mut self, more: Vec<Option<Arrived>>, complete: bool) {
        for (input, more) in self.inputs.iter_mut().zip(more) {
            if let Some(more) = more {
                input.extend(more);
            }
        }
        self.complete = complete;
    }

    /// How many chunks of an input are there.
    pub(super) fn have(&self, input: usize) -> usize {
        self.inputs[input].chunks.len()
    }

    fn ready(&self) -> usize {
        let counts = self.inputs.iter().map(|i| i.chunks.len());
        counts.min().unwrap_or(0)
    }

    /// Does what there is to do with the chunks that are there. Without `may_work` it stops where rows have to be computed.
    pub(super) fn advance(&mut self, job: &Job<'_>, may_work: bool) -> Result<Step, RunError> {
        while self.pieces.len() < self.ready() {
            job.check_cancelled()?;
            let Some(missing) = self.waiting.pop_front() else {
                match self.look_up(self.pieces.len(), job)? {
                    Found::Stored(entry) => {
                        self.check_fields(&entry.fields, job)?;
                        self.give(entry.piece, 0, job);
                    }
                    Found::Missing(missing) => self.waiting.push_back(missing),
                }
                continue;
            };
            if !missing.fresh.is_empty() && !may_work {
                self.waiting.push_front(missing);
                return Ok(Step::HasWork);
            }
            self.compute(&missing, job)?;
        }
        Ok(Step::CaughtUp)
    }

    /// A chunk that is there, if the cache has it; else what is missing of it.
    fn look_up(&mut self, chunk: usize, job: &Job<'_>) -> Result<Found, RunError> {
        let parts = self.parts(chunk);
        check_aligned(job.node, &parts)?;
        let input = ChunkInput::read(job.node, &parts, job.cache, true)?;
        let key = input.key(&self.base);
        let stored = if job.forced {
            None
        } else {
            job.cache.chunk(key)
        };
        if let Some(entry) = stored {
            return Ok(Found::Stored(entry));
        }
        let identity = self.identity;
        let index = self.index.get_or_insert_with(|| {
            if job.forced {
                RowIndex::default()
            } else {
                RowIndex::load(job.cache, identity)
            }
        });
        Ok(Found::Missing(Missing::of(input, key, index)?))
    }

    /// What is missing of the chunk behind `missing`, where the node can begin with it: it is there, and none of its rows is
    /// one that `missing` is about to give.
    fn look_ahead(
        &mut self,
        missing: &Missing,
        job: &Job<'_>,
    ) -> Result<Option<Missing>, RunError> {
        let chunk = self.pieces.len() + 1;
        if chunk >= self.ready() {
            return Ok(None);
        }
        Ok(match self.look_up(chunk, job)? {
            Found::Missing(next) if !next.fresh.is_empty() && !next.shares_with(missing) => {
                Some(next)
            }
            _ => None,
        })
    }

    fn parts(&self, chunk: usize) -> Vec<Part<'_>> {
        let inputs = self.inputs.iter();
        inputs
            .map(|input| Part {
                fields: &input.fields,
                chunk: &input.chunks[chunk],
            })
            .collect()
    }

    fn compute(&mut self, missing: &Missing, job: &Job<'_>) -> Result<(), RunError> {
        self.start(job)?;
        let (computed, failures) = self.call(missing, job)?;
        let cache = job.cache;
        let failed_at: HashMap<usize, &str> = failures
            .iter()
            .map(|f| (f.row, f.reason.as_str()))
            .collect();
        let mut failed_rows = Vec::new();
        for (row, digest) in missing.digests.iter().enumerate() {
            let position = missing.position_of.get(digest);
            if let Some(reason) = position.and_then(|p| failed_at.get(p)) {
                failed_rows.push((row, (*reason).to_owned()));
            }
        }
        let index = self.index.get_or_insert_with(RowIndex::default);
        let batch = missing.assemble(computed, index, cache)?;
        let stored = cache.put(&batch)?;
        let positions: Vec<usize> = failed_rows.iter().map(|(row, _)| *row).collect();
        index.publish(
            cache,
            self.identity,
            missing.key,
            stored.piece.object,
            &missing.digests,
            &positions,
        )?;
        let fields = batch.schema().fields().to_vec();
        self.check_fields(&fields, job)?;
        if failed_rows.is_empty() {
            let piece = stored.piece.clone();
            cache.put_chunk(missing.key, &ChunkEntry { fields, piece })?;
        } else {
            let quarantined = failed(job.node, &failed_rows, self.parts(self.pieces.len())[0])?;
            self.quarantined.extend(quarantined);
        }
        self.give(stored.piece, missing.fresh.len(), job);
        Ok(())
    }

    /// Says on the first work that the node begins.
    fn start(&mut self, job: &Job<'_>) -> Result<(), RunError> {
        if self.started.is_some() {
            return Ok(());
        }
        self.started = Some(Instant::now());
        if self.complete {
            let tables: Vec<Table> = self.inputs.iter().map(Arrived::table).collect();
            let full = lookup::manifest(job.node, &self.base, &tables, job.cache)?;
            job.started(&full, &tables);
        } else {
            job.started_early(&self.base);
        }
        Ok(())
    }

    /// Hands rows to the node and checks what it gives for them.
    fn call(
        &mut self,
        missing: &Missing,
        job: &Job<'_>,
    ) -> Result<(Option<RecordBatch>, Vec<RowFailure>), RunError> {
        let rows = &missing.fresh;
        if rows.is_empty() {
            return Ok((None, Vec::new()));
        }
        // Looked up before the node works, so that it need not wait for that either.
        let next = self.look_ahead(missing, job)?;
        if self.worker.is_none() {
            let Work::Rows(worker) = job.node.config.build()? else {
                return Err(job.wrong_sort());
            };
            self.worker = Some((worker, job.cache.scratch()?));
        }
        let Some((worker, scratch)) = &mut self.worker else {
            return Err(RunError::new("the node is closed"));
        };
        let context = job.context(scratch.path());
        if let Some(next) = next {
            worker.ahead(&next.batch()?, &context)?;
            self.waiting.push_back(next);
        }
        let batch = missing.batch()?;
        let output = job.patiently(|| Ok(worker.rows(&batch, &context)?))?;
        let node = job.node;
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

    /// A chunk is done: those who read this node may have it.
    fn give(&mut self, piece: Piece, computed: usize, job: &Job<'_>) {
        let node = job.node;
        let chunk = self.pieces.len();
        self.computed += computed;
        let own = self.fields.as_deref().unwrap_or_default();
        if let RowsOf::Input(key) = node.contract.ports[0].rows
            && let Some(position) = node.inputs.iter().position(|i| i.need.key == key)
        {
            let rows_of = self.parts(chunk)[position];
            let (fields, columns) = beside(rows_of, own, job.cache.columns(&piece));
            let rows = piece.rows;
            job.stream.push(0, &fields, Chunk { rows, columns });
        }
        job.emit(&Event::Chunk {
            node: node.name.clone(),
            chunk,
            chunks: self.ready(),
            rows: piece.rows,
            computed,
        });
        self.pieces.push(piece);
    }

    fn check_fields(&mut self, fields: &[FieldRef], job: &Job<'_>) -> Result<(), RunError> {
        let same = |known: &[FieldRef]| {
            let mut pairs = known.iter().zip(fields);
            known.len() == fields.len()
                && pairs.all(|(a, b)| a.name() == b.name() && a.data_type() == b.data_type())
        };
        match &self.fields {
            None => self.fields = Some(fields.to_vec()),
            Some(known) if same(known) => {}
            Some(known) => {
                return Err(RunError::new(format!(
                    "{} gave columns of another type than before: {fields:?} after {known:?}",
                    job.node.kind_name()
                )));
            }
        }
        Ok(())
    }

    /// Stores the whole table once all chunks are done.
    pub(super) fn finish(mut self, job: &Job<'_>, given: &[Table]) -> Result<Finished, RunError> {
        arrange::check_aligned(job.node, given)?;
        let (node, cache) = (job.node, job.cache);
        let full = lookup::manifest(node, &self.base, given, cache)?;
        if let Some((mut worker, scratch)) = self.worker.take() {
            worker.close(&job.context(scratch.path()));
        }
        if self.started.is_none() && !job.forced && self.quarantined.is_empty() {
            // The inputs came out as they were.
            if let Some(found) = job.stored(&full, given)? {
                return Ok(found);
            }
        }
        let start = self.started.unwrap_or_else(|| {
            job.started(&full, given);
            Instant::now()
        });
        let port = &node.contract.ports[0];
        let fields = self
            .fields
            .unwrap_or_else(|| arrange::promised_fields(port, &[]));
        let entry = TableEntry {
            manifest: full.clone(),
            ports: vec![PortEntry {
                name: port.name.to_owned(),
                fields,
                pieces: self.pieces,
                blobs: Vec::new(),
            }],
            existence: false,
            quarantined: if self.quarantined.is_empty() {
                None
            } else {
                Some(arrange::errors_entry(&self.quarantined, cache)?)
            },
            seconds: start.elapsed().as_secs_f64(),
        };
        cache.put_table(full.key(), &entry, &Existence::default())?;
        let tables = lookup::load(node, &entry, given, cache)?;
        let did = Did {
            computed: self.computed,
            quarantined: self.quarantined.len(),
            start,
        };
        job.done(tables, full, given, &did)
    }
}
