//! The recorder: a listener that writes down what happens, into a folder of the cache.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::{Event, Listener, RunOptions};
use crate::cache::{
    Cache, CacheError, Chunks, NodeState, RecordedFile, RecordedInput, RecordedNode,
    RecordedOutput, RunFolder, RunNode, RunPipeline, RunRecord, RunState, utc,
};
use crate::node::NodeEvent;
use crate::plan::{NodeId, Plan, PlanNode};

/// Records that are kept when nothing else is asked for.
pub const RECORDS_KEPT: usize = 100;

/// Of one node, progress is recorded this often at most.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// How often the memory of workers is looked at while they work; one that crashes takes its peak with it.
const MEMORY_EVERY: Duration = Duration::from_secs(1);

/// Records a run and passes its events on. A record that cannot be written stops no run.
pub struct Recorder {
    start: Instant,
    next: Arc<dyn Listener>,
    book: Mutex<Book>,
}

struct Book {
    folder: RunFolder,
    record: RunRecord,
    /// When each node's progress was last written down.
    progress: HashMap<String, Instant>,
    looked: Instant,
    trouble: Option<String>,
}

impl Recorder {
    /// Opens the record of a run of `nodes`; `keep` records are there afterwards at most, this one included.
    pub fn start(
        cache: &Cache,
        plan: &Plan,
        nodes: &HashSet<NodeId>,
        options: &RunOptions,
        keep: usize,
        next: Arc<dyn Listener>,
    ) -> Result<Self, CacheError> {
        let folder = cache.start_run(keep)?;
        folder.write_pipeline(&resolved(plan, nodes))?;
        let record = first_account(&folder.id, plan, nodes, options);
        folder.write_account(&record)?;
        let start = Instant::now();
        Ok(Self {
            start,
            next,
            book: Mutex::new(Book {
                folder,
                record,
                progress: HashMap::new(),
                looked: start,
                trouble: None,
            }),
        })
    }

    /// Why the record is not whole, if it is not.
    pub fn trouble(&self) -> Option<String> {
        self.book.lock().ok()?.trouble.clone()
    }

    /// The run ended by a failure of the engine's own, which is no event.
    pub fn failed(&self, message: &str) {
        if let Ok(mut book) = self.book.lock() {
            book.record.state = RunState::Failed;
            book.record.seconds = self.start.elapsed().as_secs_f64();
            book.record.message = Some(message.to_owned());
            book.close();
        }
    }
}

impl Listener for Recorder {
    fn event(&self, event: &Event) {
        self.next.event(event);
        if let Ok(mut book) = self.book.lock() {
            book.event(event, self.start.elapsed());
        }
    }
}

impl Book {
    fn event(&mut self, event: &Event, at: Duration) {
        let now = Instant::now();
        if let Event::Node {
            node,
            said: NodeEvent::Progress { .. },
        } = event
        {
            self.look_at_memory(now);
            let last = self.progress.get(node);
            if last.is_some_and(|&last| now - last < PROGRESS_EVERY) {
                return;
            }
            self.progress.insert(node.clone(), now);
        }
        let Ok(mut line) = serde_json::to_value(event) else {
            return;
        };
        line["at"] = json!((at.as_secs_f64() * 1e4).round() / 1e4);
        self.record.add(&line);
        if self.trouble.is_none() {
            self.trouble = self
                .folder
                .append(&line.to_string())
                .err()
                .map(|e| e.to_string());
        }
        match event {
            Event::NodeDone { .. } | Event::NodeFailed { .. } => self.memory_of_workers(),
            Event::Chunk { .. } => self.look_at_memory(now),
            Event::RunDone(_) => self.close(),
            _ => {}
        }
    }

    fn look_at_memory(&mut self, now: Instant) {
        if now - self.looked >= MEMORY_EVERY {
            self.looked = now;
            self.memory_of_workers();
        }
    }

    fn memory_of_workers(&mut self) {
        for worker in &mut self.record.workers {
            worker.peak_memory = worker
                .peak_memory
                .max(peak_memory(&worker.process.to_string()));
        }
    }

    fn close(&mut self) {
        self.memory_of_workers();
        self.record.peak_memory = peak_memory("self");
        if let Err(error) = self.folder.write_account(&self.record) {
            self.trouble.get_or_insert(error.to_string());
        }
    }
}

fn first_account(
    id: &str,
    plan: &Plan,
    nodes: &HashSet<NodeId>,
    options: &RunOptions,
) -> RunRecord {
    let nodes: BTreeMap<String, RunNode> = among(plan, nodes)
        .enumerate()
        .map(|(place, node)| {
            let account = RunNode {
                place,
                kind: node.kind_name().to_owned(),
                state: NodeState::Waiting,
                key: None,
                why: String::new(),
                rows: 0,
                computed: 0,
                quarantined: 0,
                start: 0.0,
                seconds: 0.0,
                chunks: Chunks::default(),
                message: None,
            };
            (node.name.clone(), account)
        })
        .collect();
    RunRecord {
        id: id.to_owned(),
        state: RunState::Running,
        started: utc(SystemTime::now(), "%Y-%m-%dT%H:%M:%S%.3fZ"),
        seconds: 0.0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        system: system(),
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        process: std::process::id(),
        jobs: options.jobs,
        device: options.device.to_string(),
        pipeline: plan.name.clone(),
        file: std::path::absolute(plan.source.name())
            .unwrap_or_else(|_| plan.source.name().into())
            .display()
            .to_string(),
        params: plan.params.clone(),
        peak_memory: None,
        workers: Vec::new(),
        nodes,
        outputs: Vec::new(),
        message: None,
    }
}

fn resolved(plan: &Plan, nodes: &HashSet<NodeId>) -> RunPipeline {
    RunPipeline {
        name: plan.name.clone(),
        files: vec![RecordedFile {
            name: plan.source.name().to_owned(),
            text: plan.source.text().to_owned(),
        }],
        params: plan.params.clone(),
        nodes: among(plan, nodes)
            .map(|node| RecordedNode {
                name: node.name.clone(),
                kind: node.kind_name().to_owned(),
                version: node.kind.kind.version(),
                config: node.config.to_json(),
                inputs: node
                    .inputs
                    .iter()
                    .map(|input| RecordedInput {
                        key: input.need.key.to_owned(),
                        from: input.need.text.clone(),
                    })
                    .collect(),
            })
            .collect(),
        outputs: plan
            .outputs
            .iter()
            .map(|output| RecordedOutput {
                from: output.reference.value.clone(),
                path: output.path.shown().to_owned(),
                format: output.format.name().to_owned(),
            })
            .collect(),
    }
}

fn among<'p>(plan: &'p Plan, nodes: &HashSet<NodeId>) -> impl Iterator<Item = &'p PlanNode> {
    plan.nodes()
        .filter(|(id, _)| nodes.contains(id))
        .map(|(_, node)| node)
}

/// The system's name and release, and the machine's sort: `Linux 6.1.0 x86_64`.
fn system() -> String {
    let of = |what: &str| {
        fs::read_to_string(Path::new("/proc/sys/kernel").join(what))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    let (name, release) = (of("ostype"), of("osrelease"));
    format!("{name} {release} {}", std::env::consts::ARCH)
        .trim()
        .to_owned()
}

/// The most memory (bytes) that a process ever held, as the kernel counts it; none once it is gone.
fn peak_memory(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_the_peak_of_memory() {
        let before = peak_memory("self").unwrap();
        let block = vec![1_u8; 64 << 20];
        assert!(block.iter().map(|&b| u64::from(b)).sum::<u64>() == 64 << 20);
        assert!(peak_memory("self").unwrap() >= before.max(64 << 20));
        assert_eq!(peak_memory("0"), None);
    }
}
