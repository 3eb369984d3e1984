//! One node's work, on a thread that may block: look-up, then what the cache does not hold.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::answers::Shared;
use super::changed::{known_reasons, reasons};
use super::last::remember;
use super::stream::Stream;
use super::{Event, Listener, NodeTables, Reason, RunError, in_words, lookup, tables};
use crate::cache::{Cache, Manifest};
use crate::node::{Context, Device, ModelSource, Monitor, NodeEvent, Work};
use crate::plan::{Plan, PlanNode};
use crate::table::Table;
use crate::worker::Workers;

/// What a job needs to know.
pub(super) struct Job<'a> {
    pub plan: &'a Plan,
    pub node: &'a PlanNode,
    pub cache: &'a Cache,
    pub workers: &'a Workers,
    pub models: &'a dyn ModelSource,
    pub device: Device,
    pub forced: bool,
    pub dry_run: bool,
    pub cancel: &'a AtomicBool,
    pub listener: &'a dyn Listener,
    /// What the node gives, for those who read it while it runs.
    pub stream: &'a Stream,
    /// What servers have said to this and other runs.
    pub answers: Shared<'a>,
}

/// A job's end.
pub(super) struct Finished {
    pub tables: NodeTables,
    pub manifest: Manifest,
    pub cached: bool,
}

/// What a node did, for the event that says so.
pub(super) struct Did {
    pub computed: usize,
    pub quarantined: usize,
    pub start: Instant,
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

    pub(super) fn context<'s>(&'s self, scratch: &'s std::path::Path) -> Context<'s> {
        Context {
            device: self.device,
            scratch,
            unfinished: None,
            dry_run: false,
            workers: self.workers,
            answers: &self.answers,
            monitor: self,
            cancel: self.cancel,
        }
    }

    /// The manifest of a node whose inputs are there, and the stored result if the cache has it.
    pub(super) fn look_up(
        &self,
        base: &Manifest,
        given: &[Table],
    ) -> Result<(Manifest, Option<Finished>), RunError> {
        let full = lookup::manifest(self.node, base, given, self.cache)?;
        if self.forced {
            return Ok((full, None));
        }
        let found = self.stored(&full, given)?;
        Ok((full, found))
    }

    /// The stored result under a manifest's key; says that it was there.
    pub(super) fn stored(
        &self,
        full: &Manifest,
        given: &[Table],
    ) -> Result<Option<Finished>, RunError> {
        let key = full.key();
        let entry = lookup::stored(self.node, key, self.cache);
        let Some(entry) = entry.filter(|e| e.quarantined.is_none()) else {
            return Ok(None);
        };
        let tables = lookup::load(self.node, &entry, given, self.cache)?;
        remember(self.plan, self.node, full, given, self.cache)?;
        self.emit(&Event::NodeCached {
            node: self.node.name.clone(),
            kind: self.node.kind_name().to_owned(),
            rows: tables.ports.first().map_or(0, Table::rows),
            key,
        });
        Ok(Some(Finished {
            tables,
            manifest: full.clone(),
            cached: true,
        }))
    }

    /// Runs a whole-table node.
    pub(super) fn compute(&self, full: Manifest, given: &[Table]) -> Result<Finished, RunError> {
        self.started(&full, given);
        let start = Instant::now();
        let scratch = self.cache.scratch()?;
        let unfinished = self.unfinished(&full)?;
        let context = Context {
            unfinished: unfinished.as_deref(),
            dry_run: self.dry_run && unfinished.is_some(),
            ..self.context(scratch.path())
        };
        let (tables, computed, quarantined) = self.patiently(|| {
            let Work::Table(mut worker) = self.node.config.build()? else {
                return Err(self.wrong_sort());
            };
            tables::run(self, &full, given, worker.as_mut(), &context)
        })?;
        let did = Did {
            computed,
            quarantined,
            start,
        };
        if unfinished.is_some() {
            self.cache.remove_unfinished(full.key())?;
        }
        self.done(tables, full, given, &did)
    }

    /// The folder in which a node that resumes keeps what it has. One that is forced begins anew.
    fn unfinished(&self, full: &Manifest) -> Result<Option<PathBuf>, RunError> {
        if !self.node.contract.resumes {
            return Ok(None);
        }
        if self.forced && !self.dry_run {
            self.cache.remove_unfinished(full.key())?;
        }
        Ok(Some(self.cache.unfinished(full.key())?))
    }

    pub(super) fn wrong_sort(&self) -> RunError {
        RunError::new(format!(
            "{} builds another sort of node than its contract says",
            self.node.kind_name()
        ))
    }

    /// Says that the node begins to work, and why.
    pub(super) fn started(&self, full: &Manifest, given: &[Table]) {
        self.started_because(if self.forced {
            vec![Reason::Forced]
        } else {
            reasons(self.plan, self.node, full, given, self.cache)
        });
    }

    /// As `started`, before all of the inputs are there.
    pub(super) fn started_early(&self, base: &Manifest) {
        let inputs = &self.node.inputs;
        let mut why = if self.forced {
            vec![Reason::Forced]
        } else {
            let unknown = vec![None; inputs.len()];
            known_reasons(self.plan, self.node, base, &unknown, self.cache)
        };
        if why.is_empty() {
            let mut nodes: Vec<String> = inputs
                .iter()
                .map(|input| self.plan.node(input.from).name.clone())
                .collect();
            nodes.dedup();
            why.push(Reason::Upstream { nodes });
        }
        self.started_because(why);
    }

    fn started_because(&self, reasons: Vec<Reason>) {
        self.emit(&Event::NodeStarted {
            node: self.node.name.clone(),
            kind: self.node.kind_name().to_owned(),
            why: in_words(&reasons),
            reasons,
        });
    }

    /// Keeps what the next run has to know, and says that the node is done.
    pub(super) fn done(
        &self,
        tables: NodeTables,
        full: Manifest,
        given: &[Table],
        did: &Did,
    ) -> Result<Finished, RunError> {
        remember(self.plan, self.node, &full, given, self.cache)?;
        let key = full.key();
        self.emit(&Event::NodeDone {
            node: self.node.name.clone(),
            kind: self.node.kind_name().to_owned(),
            rows: tables.ports.first().map_or(0, Table::rows),
            computed: did.computed,
            quarantined: did.quarantined,
            seconds: did.start.elapsed().as_secs_f64(),
            key,
        });
        Ok(Finished {
            tables,
            manifest: full,
            cached: false,
        })
    }

    /// Makes a call again that failed for a passing reason, as often as the kind says, waiting twice as long each time.
    pub(super) fn patiently<T>(
        &self,
        mut call: impl FnMut() -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        let mut wait = Duration::from_millis(500);
        for attempt in 1..=self.node.contract.retries {
            match call() {
                Err(error) if error.transient => {
                    self.emit(&Event::NodeRetried {
                        node: self.node.name.clone(),
                        attempt,
                        message: error.message,
                    });
                }
                result => return result,
            }
            self.pause(wait)?;
            wait *= 2;
        }
        call()
    }

    fn pause(&self, time: Duration) -> Result<(), RunError> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.check_cancelled()?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(super) fn check_cancelled(&self) -> Result<(), RunError> {
        if self.cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(crate::node::NodeError::cancelled().into());
        }
        Ok(())
    }
}
