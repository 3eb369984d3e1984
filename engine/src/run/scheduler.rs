//! Runs the nodes of a plan: each as soon as its inputs are there and a permit is free.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::watch;

use super::job::{Finished, Job};
use super::permits::Permits;
use super::{Event, Listener, NodeTables, Report, RunError, lookup, outputs};
use crate::cache::{Cache, Manifest};
use crate::node::{Device, Permit};
use crate::plan::{NodeId, Plan};
use crate::worker::Workers;

/// How to run.
pub struct RunOptions {
    /// Jobs that need one processor each.
    pub jobs: usize,
    pub device: Device,
    /// Nodes to run; none means what the outputs need.
    pub targets: Option<Vec<NodeId>>,
    /// Nodes to compute again, whatever the cache holds.
    pub force: HashSet<NodeId>,
    /// Set to stop: what is done by then is in the cache.
    pub cancel: Arc<AtomicBool>,
}

/// How a node ended.
#[derive(Clone)]
enum Ended {
    Done(Arc<Finished>),
    /// The node whose failure is the cause.
    Failed(String),
}

type Signal = watch::Sender<Option<Ended>>;

struct Shared {
    plan: Arc<Plan>,
    cache: Arc<Cache>,
    listener: Arc<dyn Listener>,
    workers: Workers,
    permits: Permits,
    options: RunOptions,
    signals: HashMap<NodeId, Signal>,
}

/// Runs a plan to its end and gives the tables of the nodes that are done. Failures are in the report and
/// in the events; an error is the engine's own.
pub fn run(
    plan: &Arc<Plan>,
    cache: &Arc<Cache>,
    options: RunOptions,
    listener: &Arc<dyn Listener>,
) -> Result<(Report, HashMap<NodeId, NodeTables>), RunError> {
    let start = Instant::now();
    let nodes = match &options.targets {
        Some(targets) => plan.ancestors(targets.iter().copied()),
        None => plan.needed_by_outputs(),
    };
    listener.event(&Event::RunStarted {
        pipeline: plan.name.clone(),
        nodes: nodes.len(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(options.jobs.clamp(1, 1024) + 8)
        .build()
        .map_err(|e| RunError::new(format!("cannot start threads: {e}")))?;
    let shared = Arc::new(Shared {
        plan: plan.clone(),
        cache: cache.clone(),
        listener: listener.clone(),
        workers: Workers::find(),
        permits: Permits::new(options.jobs),
        signals: nodes
            .iter()
            .map(|&id| (id, watch::channel(None).0))
            .collect(),
        options,
    });
    let ended = runtime.block_on(run_nodes(&shared, &nodes));
    let mut report = tally(&shared, &ended);
    if !report.cancelled {
        write_outputs(&shared, &ended, &mut report);
    }
    cache.files.save()?;
    report.seconds = start.elapsed().as_secs_f64();
    listener.event(&Event::RunDone(report.clone()));
    let tables = ended.into_iter().filter_map(|(id, end)| match end {
        Ended::Done(finished) => Some((id, finished.tables.clone())),
        Ended::Failed(_) => None,
    });
    Ok((report, tables.collect()))
}

async fn run_nodes(shared: &Arc<Shared>, nodes: &HashSet<NodeId>) -> HashMap<NodeId, Ended> {
    let mut tasks = tokio::task::JoinSet::new();
    for (id, _) in shared.plan.nodes().filter(|(id, _)| nodes.contains(id)) {
        let shared = shared.clone();
        tasks.spawn(async move {
            let ended = run_node(&shared, id).await;
            if let Some(signal) = shared.signals.get(&id) {
                signal.send_replace(Some(ended.clone()));
            }
            (id, ended)
        });
    }
    let mut ended = HashMap::new();
    while let Some(task) = tasks.join_next().await {
        match task {
            Ok((id, end)) => {
                ended.insert(id, end);
            }
            Err(panic) => shared.listener.event(&Event::NodeFailed {
                node: "?".into(),
                kind: "?".into(),
                message: format!("a fault of this program: {panic}"),
                help: None,
            }),
        }
    }
    ended
}

async fn run_node(shared: &Arc<Shared>, id: NodeId) -> Ended {
    let node = shared.plan.node(id);
    let mut above: HashMap<NodeId, NodeTables> = HashMap::new();
    for input in &node.inputs {
        let Some(signal) = shared.signals.get(&input.from) else {
            continue;
        };
        let mut receiver = signal.subscribe();
        let end = receiver
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|e| e.clone());
        match end {
            Some(Ended::Done(finished)) => {
                above.insert(input.from, finished.tables.clone());
            }
            Some(Ended::Failed(because)) => {
                shared.listener.event(&Event::NodeSkipped {
                    node: node.name.clone(),
                    because: because.clone(),
                });
                return Ended::Failed(because);
            }
            None => return Ended::Failed(node.name.clone()),
        }
    }
    let inputs = lookup::input_tables(node, &|from| above.get(&from).cloned()).unwrap_or_default();
    let result = run_with_permits(shared, id, inputs).await;
    match result {
        Ok(finished) => Ended::Done(Arc::new(finished)),
        Err(error) => {
            if !error.cancelled {
                shared.listener.event(&Event::NodeFailed {
                    node: node.name.clone(),
                    kind: node.kind_name().to_owned(),
                    message: error.message,
                    help: error.help,
                });
            }
            Ended::Failed(node.name.clone())
        }
    }
}

/// Looks up with one processor; only work that is to be done waits for what it needs.
async fn run_with_permits(
    shared: &Arc<Shared>,
    id: NodeId,
    inputs: Vec<crate::table::Table>,
) -> Result<Finished, RunError> {
    let inputs = Arc::new(inputs);
    let held = shared.permits.acquire(Permit::Cpu, Device::Cpu).await;
    let (base, full) = {
        let inputs = inputs.clone();
        let (base, full, found) = blocking(shared, id, move |job| job.look_up(&inputs)).await?;
        if let Some(found) = found {
            return Ok(found);
        }
        (base, full)
    };
    drop(held);
    let device = shared.options.device;
    let _held = shared
        .permits
        .acquire(shared.plan.node(id).contract.permit, device)
        .await;
    blocking(shared, id, move |job| job.compute(&base, full, &inputs)).await
}

/// Runs a piece of a job on a thread that may block. A panic in it is the node's failure.
async fn blocking<T: Send + 'static>(
    shared: &Arc<Shared>,
    id: NodeId,
    work: impl FnOnce(&Job<'_>) -> Result<T, RunError> + Send + 'static,
) -> Result<T, RunError> {
    let shared = shared.clone();
    let task = tokio::task::spawn_blocking(move || {
        if shared.options.cancel.load(Ordering::Relaxed) {
            return Err(crate::node::NodeError::cancelled().into());
        }
        let job = Job {
            plan: &shared.plan,
            node: shared.plan.node(id),
            cache: &shared.cache,
            workers: &shared.workers,
            device: shared.options.device,
            forced: shared.options.force.contains(&id),
            cancel: &shared.options.cancel,
            listener: &*shared.listener,
        };
        work(&job)
    });
    match task.await {
        Ok(result) => result,
        Err(panic) => Err(RunError::new(format!("a fault of this program: {panic}"))),
    }
}

fn tally(shared: &Shared, ended: &HashMap<NodeId, Ended>) -> Report {
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
            Some(Ended::Failed(_)) => report.skipped += 1,
            None if shared.signals.contains_key(&id) => report.failed += 1,
            None => {}
        }
    }
    report
}

fn write_outputs(shared: &Shared, ended: &HashMap<NodeId, Ended>, report: &mut Report) {
    if shared.options.targets.is_some() {
        return;
    }
    let manifests: HashMap<NodeId, &Manifest> = ended
        .iter()
        .filter_map(|(id, end)| match end {
            Ended::Done(finished) => Some((*id, &finished.manifest)),
            Ended::Failed(_) => None,
        })
        .collect();
    for output in &shared.plan.outputs {
        let Some(Ended::Done(finished)) = ended.get(&output.from) else {
            continue;
        };
        let Some(table) = finished.tables.ports.get(output.port) else {
            continue;
        };
        let path = output.path.path().display().to_string();
        let event = match outputs::write(&shared.plan, output, table, &manifests, &shared.cache) {
            Ok(true) => Event::OutputWritten {
                path,
                rows: table.rows(),
            },
            Ok(false) => Event::OutputUnchanged {
                path,
                rows: table.rows(),
            },
            Err(error) => {
                report.failed += 1;
                Event::OutputFailed {
                    path,
                    message: error.message,
                    help: error.help,
                }
            }
        };
        shared.listener.event(&event);
    }
}
