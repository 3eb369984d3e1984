//! The scheduler with small kinds: streaming, failures, repeated calls, stops.

mod kinds;

use std::fs;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;

use kinds::{REGISTRY, calls};
use trommel_engine::cache::Cache;
use trommel_engine::compile::compile;
use trommel_engine::plan::Plan;
use trommel_engine::run::{Event, Listener, NodeTables, Report, RunOptions, run};
use trommel_engine::spec::read_pipeline;

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Listener for Log {
    fn event(&self, event: &Event) {
        let text = match event {
            Event::NodeCached { node, .. } => format!("cached {node}"),
            Event::NodeStarted { node, .. } => format!("started {node}"),
            Event::Chunk { node, computed, .. } => format!("chunk {node} {computed}"),
            Event::NodeDone { node, .. } => format!("done {node}"),
            Event::NodeFailed { node, message, .. } => format!("failed {node}: {message}"),
            Event::NodeSkipped { node, because } => format!("skipped {node}: {because}"),
            Event::NodeRetried { node, attempt, .. } => format!("retried {node} {attempt}"),
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

struct Bench {
    folder: tempfile::TempDir,
    log: Arc<Log>,
}

impl Bench {
    fn new(nodes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("version: 1\nnodes:\n{nodes}");
        fs::write(folder.path().join("p.yaml"), text).unwrap();
        let log = Arc::default();
        Self { folder, log }
    }

    fn plan(&self) -> Arc<Plan> {
        let pipeline = read_pipeline(&self.folder.path().join("p.yaml"), &[]).unwrap();
        let (plan, _) = compile(&pipeline, &REGISTRY).unwrap();
        Arc::new(plan)
    }

    /// Runs all nodes.
    fn run(&self, options: RunOptions) -> (Report, Vec<NodeTables>, Vec<String>) {
        self.log.0.lock().unwrap().clear();
        let plan = self.plan();
        let cache = Arc::new(Cache::open(self.folder.path().join("cache")).unwrap());
        let listener: Arc<dyn Listener> = self.log.clone();
        let options = RunOptions {
            targets: Some(plan.nodes().map(|(id, _)| id).collect()),
            ..options
        };
        let (report, mut tables) = run(&plan, &cache, options, &listener).unwrap();
        let ids = plan.nodes().map(|(id, _)| id);
        let tables = ids.filter_map(|id| tables.remove(&id)).collect();
        (report, tables, self.log.0.lock().unwrap().clone())
    }
}

fn sum(tables: &NodeTables) -> f64 {
    let arrays = tables.ports[0].arrays("n").unwrap();
    let sums = arrays
        .iter()
        .map(|a| arrow::compute::sum(a.as_primitive::<Float64Type>()).unwrap());
    sums.sum()
}

#[test]
fn chunks_are_read_while_others_are_still_to_come() {
    // The load waits for each chunk to have been scored, so this ends only if the two run side by side.
    let bench = Bench::new(
        "  rows: { kind: load.steps, chunks: 4, after: streamed }\n  \
         once: { kind: score.double, input: rows, name: streamed }\n  \
         twice: { kind: score.double, input: once, name: streamed-on }\n",
    );
    let (report, tables, log) = bench.run(RunOptions::default());
    assert_eq!((report.ran, report.failed), (3, 0), "{log:?}");
    let rows = 4.0 * 1024.0;
    assert!((sum(&tables[2]) - 4.0 * (rows * (rows - 1.0) / 2.0)).abs() < 1e-6);
    assert_eq!(calls("streamed"), 4);
    let (_, _, log) = bench.run(RunOptions::default());
    assert_eq!(log, ["cached rows", "cached once", "cached twice"]);
}

#[test]
fn what_was_read_of_a_table_that_fails_is_not_lost() {
    let broken = "  rows: { kind: load.steps, chunks: 2, after: early, fails: true }\n  \
         once: { kind: score.double, input: rows, name: early }\n";
    let bench = Bench::new(broken);
    let (report, _, log) = bench.run(RunOptions::default());
    assert_eq!((report.failed, report.skipped), (1, 1), "{log:?}");
    // The last chunk may or may not have been scored by then.
    let before = calls("early");
    assert!(before >= 1);
    let mended = format!(
        "version: 1\nnodes:\n{}",
        broken.replace(", fails: true", "")
    );
    fs::write(bench.folder.path().join("p.yaml"), mended).unwrap();
    let (report, _, log) = bench.run(RunOptions::default());
    assert_eq!((report.ran, report.failed), (2, 0), "{log:?}");
    assert_eq!(calls("early"), 2);
}

#[test]
fn a_passing_failure_is_tried_again_and_a_lasting_one_is_not() {
    let bench = Bench::new(
        "  rows: { kind: load.steps, chunks: 1 }\n  \
         busy: { kind: score.double, input: rows, name: busy, passing: 2 }\n  \
         busier: { kind: score.double, input: rows, name: busier, passing: 5 }\n  \
         broken: { kind: score.double, input: rows, broken: true }\n  \
         behind: { kind: score.double, input: broken }\n",
    );
    let start = Instant::now();
    let (report, _, log) = bench.run(RunOptions::default());
    assert_eq!(
        (report.ran, report.failed, report.skipped),
        (2, 2, 1),
        "{log:?}"
    );
    assert!(
        start.elapsed() >= Duration::from_millis(1500),
        "waits longer each time"
    );
    for line in [
        "retried busy 1",
        "retried busy 2",
        "done busy",
        "failed busier: busy",
        "failed broken: this never works",
        "skipped behind: broken",
    ] {
        assert!(log.iter().any(|l| l == line), "{line} in {log:?}");
    }
}

const ONE_BREAKS: &str = "  rows: { kind: load.steps, chunks: 1 }\n  \
     broken: { kind: score.double, input: rows, broken: true }\n  \
     slow: { kind: score.double, input: rows, name: slow, endless: true }\n";

#[test]
fn the_first_failure_stops_all_where_that_is_asked_for() {
    let bench = Bench::new(ONE_BREAKS);
    let (report, _, log) = bench.run(RunOptions {
        fail_fast: true,
        ..RunOptions::default()
    });
    assert_eq!(
        (report.ran, report.failed, report.skipped),
        (1, 1, 1),
        "{log:?}"
    );
    assert!(!report.cancelled);
}

#[test]
fn a_stop_reaches_nodes_that_work_and_nodes_that_wait() {
    let bench = Bench::new(
        "  rows: { kind: load.steps, chunks: 2 }\n  \
         slow: { kind: score.double, input: rows, name: stopped, endless: true }\n  \
         behind: { kind: score.double, input: slow }\n",
    );
    let options = RunOptions::default();
    let cancel = options.cancel.clone();
    let stopper = std::thread::spawn(move || {
        while calls("stopped") == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        cancel.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let (report, _, log) = bench.run(options);
    let stopped = stopper.join().unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(2), "{log:?}");
    assert!(report.cancelled);
    assert_eq!((report.ran, report.failed), (1, 0), "{log:?}");
}

#[test]
fn siblings_share_one_job_without_waiting_for_each_other_forever() {
    let bench = Bench::new(
        "  rows: { kind: load.steps, chunks: 3 }\n  \
         a: { kind: score.double, input: rows, name: a }\n  \
         b: { kind: score.double, input: a, name: b }\n  \
         c: { kind: score.double, input: rows, name: c }\n",
    );
    let (report, _, log) = bench.run(RunOptions {
        jobs: 1,
        ..RunOptions::default()
    });
    assert_eq!((report.ran, report.failed), (4, 0), "{log:?}");
}

#[test]
fn a_node_is_told_of_the_rows_to_come() {
    // Where the numbers begin anew, the rows of the next chunk are those that this one is about to give.
    for (again_after, told, computed) in [(4, 3, 4), (1, 0, 1)] {
        let name = format!("told-{again_after}");
        let rows =
            format!("  rows: {{ kind: load.steps, chunks: 4, again_after: {again_after} }}\n");
        let bench = Bench::new(&rows);
        bench.run(RunOptions::default());
        let double = format!("  twice: {{ kind: score.double, input: rows, name: {name} }}\n");
        let both = format!("version: 1\nnodes:\n{rows}{double}");
        fs::write(bench.folder.path().join("p.yaml"), both).unwrap();
        let (report, tables, log) = bench.run(RunOptions::default());
        assert_eq!((report.cached, report.ran), (1, 1), "{log:?}");
        assert_eq!(calls(&name), computed, "{log:?}");
        assert_eq!(calls(&format!("{name} ahead")), told, "{log:?}");
        assert!((sum(&tables[1]) - 2.0 * sum(&tables[0])).abs() < 1e-6);
    }
}
