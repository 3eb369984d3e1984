//! Runs the nodes of a plan: each as soon as there is something for it to do and a permit is free.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::answers::Shared as Answers;
use super::job::Job;
use super::permits::Permits;
use super::stream::{Ended, Stream};
use super::{Event, Listener, NodeTables, Report, RunError, node_run, outputs};
use crate::cache::{Cache, Manifest};
use crate::node::{Device, ModelSource, NoSource};
use crate::plan::{NodeId, Plan};
use crate::worker::Workers;

/// A corrupt object costs another pass over what depends on it; a disk that corrupts more than this is given up.
const MOST_PASSES: usize = 20;

/// How often the run looks whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// How to run.
pub struct RunOptions {
    /// Jobs that need one processor each.
    pub jobs: usize,
    /// Bytes that nodes which declare what they need may hold together.
    pub memory: u64,
    pub device: Device,
    /// Nodes to run; none means what the outputs need.
    pub targets: Option<Vec<NodeId>>,
    /// Nodes to compute again, whatever the cache holds.
    pub force: HashSet<NodeId>,
    /// The first failure stops the nodes that do not depend on it too.
    pub fail_fast: bool,
    /// Nodes that resume ([`crate::node::Contract::resumes`]) only say what they need and do not begin.
    pub dry_run: bool,
    /// Outputs are written into this folder, under the names of their files, and not to their places.
    pub outputs_in: Option<PathBuf>,
    /// Where models come from that are not on this machine.
    pub models: Arc<dyn ModelSource>,
    /// Set to stop: what is done by then is in the cache.
    pub cancel: Arc<AtomicBool>,
}

impl Default for RunOptions {
    /// All that the outputs need, with what the machine has.
    fn default() -> Self {
        Self {
            jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: u64::MAX,
            device: Device::Auto,
            targets: None,
            force: HashSet::new(),
            fail_fast: false,
            dry_run: false,
            outputs_in: None,
            models: Arc::new(NoSource),
            cancel: Arc::default(),
        }
    }
}

/// What the tasks of a run share.
pub(super) struct Shared {
    pub plan: Arc<Plan>,
    pub cache: Arc<Cache>,
    pub listener: Arc<dyn Listener>,
    pub workers: Workers,
    pub permits: Permits,
    pub options: RunOptions,
    streams: HashMap<NodeId, Stream>,
    /// Set when the nodes are to stop: by the user, or by a failure where the first one ends the run.
    stop: AtomicBool,
    stopped: watch::Sender<bool>,
    forced: std::sync::Mutex<HashSet<NodeId>>,
}

impl Shared {
    pub(super) fn stream(&self, id: NodeId) -> Option<&Stream> {
        self.streams.get(&id)
    }

    pub(super) fn emit(&self, event: &Event) {
        self.listener.event(event);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) async fn until_stopped(&self) {
        let mut receiver = self.stopped.subscribe();
        // The sender lives as long as this does.
        let _ = receiver.wait_for(|stopped| *stopped).await;
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.stopped.send_replace(true);
    }

    pub(super) fn job<'a>(&'a self, id: NodeId, stream: &'a Stream) -> Job<'a> {
        let forced = self.forced.lock().is_ok_and(|f| f.contains(&id));
        Job {
            plan: &self.plan,
            node: self.plan.node(id),
            cache: &self.cache,
            workers: &self.workers,
            models: &*self.options.models,
            device: self.options.device,
            forced,
            dry_run: self.options.dry_run,
            cancel: &self.stop,
            listener: &*self.listener,
            stream,
            answers: Answers(&self.cache),
        }
    }
}

type Ends = HashMap<NodeId, Ended>;

/// Runs a plan to its end and gives the tables of the nodes that are done. Failures are in the report and
/// in the events; an error is the engine's own.
pub fn run(
    plan: &Arc<Plan>,
    cache: &Arc<Cache>,
    options: RunOptions,
    listener: &Arc<dyn Listener>,
) -> Result<(Report, HashMap<NodeId, NodeTables>), RunError> {
    let start = Instant::now();
    let _in_use = cache.use_it()?;
    let nodes = match &options.targets {
        Some(targets) => plan.ancestors(targets.iter().copied()),
        None => plan.needed_by_outputs(),
    };
    listener.event(&Event::RunStarted {
        pipeline: plan.name.clone(),
        nodes: nodes.len(),
    });
    // What takes time is done on threads that may block; this one only says what is next.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(options.jobs.clamp(1, 1024) + 8)
        .build()
        .map_err(|e| RunError::new(format!("cannot start threads: {e}")))?;
    let mut shared = Shared {
        plan: plan.clone(),
        cache: cache.clone(),
        listener: listener.clone(),
        workers: Workers::find(),
        permits: Permits::new(options.jobs, options.memory),
        streams: HashMap::new(),
        stop: AtomicBool::new(false),
        stopped: watch::Sender::new(false),
        forced: options.force.clone().into(),
        options,
    };
    let mut ended = Ends::new();
    let mut report = Report::default();
    for _ in 0..MOST_PASSES {
        shared.streams = nodes
            .iter()
            .filter(|id| !ended.contains_key(id))
            .map(|&id| (id, Stream::new(plan.node(id).ports.len())))
            .collect();
        for (id, end) in &ended {
            let stream = Stream::new(0);
            stream.end(end.clone());
            shared.streams.insert(*id, stream);
        }
        let pass = Arc::new(shared);
        ended = runtime.block_on(run_nodes(&pass, &nodes, ended));
        shared = Arc::into_inner(pass)
            .ok_or_else(|| RunError::new("a fault of this program: a task outlived its run"))?;
        report = tally(&shared, &ended);
        if !report.cancelled {
            write_outputs(&shared, &ended, &mut report);
        }
        if !set_corrupt_aside(&shared, &mut ended) || report.cancelled {
            break;
        }
    }
    // What was learnt of files only saves time.
    let _ = cache.files.save();
    report.seconds = start.elapsed().as_secs_f64();
    listener.event(&Event::RunDone(report.clone()));
    let tables = ended.into_iter().filter_map(|(id, end)| match end {
        Ended::Done(finished) => Some((id, finished.tables.clone())),
        _ => None,
    });
    Ok((report, tables.collect()))
}

/// Reports objects that were found corrupt and keeps only the ends that do not rest on them. False: there were none.
fn set_corrupt_aside(shared: &Shared, ended: &mut Ends) -> bool {
    let corrupt = shared.cache.take_corrupt();
    if corrupt.is_empty() {
        return false;
    }
    for found in &corrupt {
        shared.emit(&Event::Corrupt {
            object: found.object,
            reason: found.reason.clone(),
        });
    }
    let paths: HashSet<_> = corrupt
        .iter()
        .map(|found| shared.cache.object_path(found.object))
        .collect();
    ended.retain(|_, end| match end {
        Ended::Done(finished) => {
            let mut blobs = finished.tables.blobs.iter();
            let mut tables = finished.tables.ports.iter();
            !blobs.any(|blob| corrupt.iter().any(|found| found.object == blob.digest))
                && !tables.any(|table| {
                    let mut columns = table.chunks().iter().flat_map(|chunk| &chunk.columns);
                    columns.any(|column| paths.contains(column.place().0))
                })
        }
        Ended::Failed(_) | Ended::Stopped | Ended::Again => false,
    });
    // What was forced has run; it is not to run again because of a neighbour.
    if let Ok(mut forced) = shared.forced.lock() {
        forced.retain(|id| !ended.contains_key(id));
    }
    true
}

async fn run_nodes(shared: &Arc<Shared>, nodes: &HashSet<NodeId>, mut ended: Ends) -> Ends {
    let mut tasks = tokio::task::JoinSet::new();
    for (id, _) in shared.plan.nodes().filter(|(id, _)| nodes.contains(id)) {
        if ended.contains_key(&id) {
            continue;
        }
        let shared = shared.clone();
        tasks.spawn(async move {
            let end = node_run::run(&shared, id).await;
            if shared.options.fail_fast && matches!(end, Ended::Failed(_)) {
                shared.stop();
            }
            if let Some(stream) = shared.stream(id) {
                stream.end(end.clone());
            }
            (id, end)
        });
    }
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            task = tasks.join_next() => match task {
                Some(Ok((id, end))) => {
                    ended.insert(id, end);
                }
                Some(Err(panic)) => shared.emit(&Event::NodeFailed {
                    node: "?".into(),
                    kind: "?".into(),
                    message: format!("a fault of this program: {panic}"),
                    help: None,
                }),
                None => return ended,
            },
            _ = ticks.tick() => {
                if shared.options.cancel.load(Ordering::Relaxed) && !shared.is_stopped() {
                    shared.stop();
                }
            }
        }
    }
}

fn tally(shared: &Shared, ended: &Ends) -> Report {
    let mut report = Report {
        cancelled: shared.options.cancel.load(Ordering::Relaxed),
        ..Report::default()
    };
    for (id, _) in shared.plan.nodes() {
        match ended.get(&id) {
            Some(Ended::Done(finished)) if finished.cached => report.cached += 1,
            Some(Ended::Done(_)) => report.ran += 1,
            Some(Ended::Failed(because)) if *because == shared.plan.node(id).name => {
                report.failed += 1;
            }
            Some(Ended::Failed(_) | Ended::Stopped) => report.skipped += 1,
            Some(Ended::Again) => report.failed += 1,
            None if shared.streams.contains_key(&id) => report.failed += 1,
            None => {}
        }
    }
    report
}

fn write_outputs(shared: &Shared, ended: &Ends, report: &mut Report) {
    if shared.options.targets.is_some() {
        return;
    }
    let manifests: HashMap<NodeId, &Manifest> = ended
        .iter()
        .filter_map(|(id, end)| match end {
            Ended::Done(finished) => Some((*id, &finished.manifest)),
            _ => None,
        })
        .collect();
    let rows = ended.iter().filter_map(|(id, end)| match end {
        Ended::Done(finished) => Some((*id, finished.tables.ports.first()?.rows())),
        _ => None,
    });
    let made = outputs::Made {
        plan: &shared.plan,
        cache: &shared.cache,
        manifests,
        rows: rows.collect(),
        bare: shared.options.outputs_in.is_some(),
    };
    for output in &shared.plan.outputs {
        let Some(Ended::Done(finished)) = ended.get(&output.from) else {
            continue;
        };
        let Some(table) = finished.tables.ports.get(output.port) else {
            continue;
        };
        let given = output.path.path();
        let place = match (&shared.options.outputs_in, given.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => given.to_owned(),
        };
        let path = place.display().to_string();
        let (rows, tables) = (table.rows(), &finished.tables);
        let event = match made.write(output, &place, tables) {
            Ok(true) => Event::OutputWritten { path, rows },
            Ok(false) => Event::OutputUnchanged { path, rows },
            // It is written once what it is made from has been made anew.
            Err(_) if shared.cache.has_corrupt() => continue,
            Err(error) => {
                report.failed += 1;
                Event::OutputFailed {
                    path,
                    message: error.message,
                    help: error.help,
                }
            }
        };
        shared.emit(&event);
    }
}
