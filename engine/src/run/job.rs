//! One node's work, on a thread that may block: look-up, then what the cache does not hold.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::changed::reasons;
use super::last::remember;
use super::{Event, Listener, NodeTables, RunError, in_words, lookup, rows, tables};
use crate::cache::{Cache, Manifest};
use crate::node::{Context, Device, Monitor, NodeEvent, Work};
use crate::plan::{Plan, PlanNode};
use crate::table::Table;
use crate::worker::Workers;

/// What a job needs to know.
pub(super) struct Job<'a> {
    pub plan: &'a Plan,
    pub node: &'a PlanNode,
    pub cache: &'a Cache,
    pub workers: &'a Workers,
    pub device: Device,
    pub forced: bool,
    pub cancel: &'a AtomicBool,
    pub listener: &'a dyn Listener,
}

/// A job's end.
pub(super) struct Finished {
    pub tables: NodeTables,
    pub manifest: Manifest,
    pub cached: bool,
}

impl Monitor for Job<'_> {
    fn event(&self, event: NodeEvent) {
        self.emit(&Event::Node {
            node: self.node.name.clone(),
            said: event,
        });
    }
}

impl Job<'_> {
    pub(super) fn emit(&self, event: &Event) {
        self.listener.event(event);
    }

    /// The stored result, if the cache has it.
    pub(super) fn look_up(
        &self,
        inputs: &[Table],
    ) -> Result<(Manifest, Manifest, Option<Finished>), RunError> {
        let base = lookup::manifest_base(self.node, self.cache)?;
        let full = lookup::manifest(self.node, &base, inputs, self.cache)?;
        let entry = if self.forced {
            None
        } else {
            self.cache
                .table(full.key())
                .filter(|e| e.quarantined.is_none())
        };
        let found = match entry {
            Some(entry) => {
                let tables = lookup::load(self.node, &entry, inputs, self.cache)?;
                remember(self.plan, self.node, &full, inputs, self.cache)?;
                let rows = tables.ports.first().map_or(0, Table::rows);
                self.emit(&Event::NodeCached {
                    node: self.node.name.clone(),
                    kind: self.node.kind_name().to_owned(),
                    rows,
                });
                Some(Finished {
                    tables,
                    manifest: full.clone(),
                    cached: true,
                })
            }
            None => None,
        };
        Ok((base, full, found))
    }

    /// Does the work.
    pub(super) fn compute(
        &self,
        base: &Manifest,
        full: Manifest,
        inputs: &[Table],
    ) -> Result<Finished, RunError> {
        let (name, kind) = (self.node.name.clone(), self.node.kind_name().to_owned());
        let why = if self.forced {
            "forced".to_owned()
        } else {
            in_words(&reasons(self.plan, self.node, &full, inputs, self.cache))
        };
        self.emit(&Event::NodeStarted {
            node: name.clone(),
            kind: kind.clone(),
            why,
        });
        let start = Instant::now();
        let scratch = self.cache.scratch()?;
        let context = Context {
            device: self.device,
            scratch: scratch.path(),
            workers: self.workers,
            monitor: self,
            cancel: self.cancel,
        };
        let (tables, computed, quarantined) =
            match (self.node.config.build()?, self.node.contract.row_wise) {
                (Work::Rows(worker), true) => {
                    rows::run(self, base, &full, inputs, worker, &context)?
                }
                (Work::Table(worker), false) => {
                    let (tables, rows) = tables::run(self, &full, inputs, worker, &context)?;
                    (tables, rows, 0)
                }
                _ => {
                    return Err(RunError::new(format!(
                        "{kind} builds another sort of node than its contract says"
                    )));
                }
            };
        remember(self.plan, self.node, &full, inputs, self.cache)?;
        let rows = tables.ports.first().map_or(0, Table::rows);
        let seconds = start.elapsed().as_secs_f64();
        self.emit(&Event::NodeDone {
            node: name,
            kind,
            rows,
            computed,
            quarantined,
            seconds,
        });
        Ok(Finished {
            tables,
            manifest: full,
            cached: false,
        })
    }
}
