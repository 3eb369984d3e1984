//! How long reading, compiling and planning take as pipelines grow: chains, fans and both, of light kinds.
//!
//! `bench_planning [NODES ..]`. Nothing has been run, so nothing is cached. The exponent is the slope
//! of time over nodes, both as logarithms: 1 is linear, 2 quadratic.

#![expect(clippy::print_stdout, reason = "a benchmark tells its numbers")]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use trommel_engine::cache::Cache;
use trommel_engine::compile::compile;
use trommel_engine::run::{State, inspect};
use trommel_engine::spec::read_pipeline;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// What a node reads: the one before it, or the rows that all begin with.
#[derive(Clone, Copy)]
enum Shape {
    Chain,
    Fan,
    /// Chains of ten.
    Both,
}

struct Times {
    parse: Duration,
    compile: Duration,
    plan: Duration,
}

fn main() {
    let given: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let sizes = if given.is_empty() {
        SIZES.to_vec()
    } else {
        given
    };
    println!("shape    nodes    parse s  compile s  plan s   all s   us a node");
    for (name, shape) in [
        ("chain", Shape::Chain),
        ("fan", Shape::Fan),
        ("both", Shape::Both),
    ] {
        let mut points = Vec::new();
        for &nodes in &sizes {
            let times = measure(shape, nodes);
            let all = times.parse + times.compile + times.plan;
            println!(
                "{name:<6} {nodes:>8} {:>9.3} {:>10.3} {:>8.3} {:>7.3} {:>10.1}",
                times.parse.as_secs_f64(),
                times.compile.as_secs_f64(),
                times.plan.as_secs_f64(),
                all.as_secs_f64(),
                all.as_secs_f64() * 1e6 / nodes as f64,
            );
            points.push(((nodes as f64).ln(), all.as_secs_f64().ln()));
        }
        if points.len() > 1 {
            println!("{name:<6} exponent {:.2}", slope(&points));
        }
    }
}

fn measure(shape: Shape, nodes: usize) -> Times {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("generated.yaml");
    std::fs::write(&file, pipeline(shape, nodes)).expect("the pipeline is written");
    write_rows(folder.path());
    let cache = Cache::open(folder.path().join("cache")).expect("a cache");

    let start = Instant::now();
    let pipeline = read_pipeline(&file, &[]).expect("it is read");
    let parse = start.elapsed();
    let start = Instant::now();
    let (plan, _) = compile(&pipeline, &trommel_nodes::registry()).expect("it compiles");
    let compile = start.elapsed();
    let start = Instant::now();
    let needed = plan.needed_by_outputs();
    let statuses = inspect(&plan, &needed, &HashSet::new(), &cache).expect("it is planned");
    let plan = start.elapsed();
    assert_eq!(statuses.len(), nodes, "every node is planned");
    let first = statuses.iter().filter(|s| s.state == State::Run).count();
    assert_eq!(first, 1, "only the loader can be known to run");
    Times {
        parse,
        compile,
        plan,
    }
}

fn write_rows(folder: &Path) {
    let mut rows = String::new();
    for row in 0..100 {
        let _ = writeln!(rows, "{{\"score\": {row}.5, \"text\": \"row {row}\"}}");
    }
    std::fs::write(folder.join("rows.jsonl"), rows).expect("the rows are written");
}

fn pipeline(shape: Shape, nodes: usize) -> String {
    let mut text = String::from(
        "version: 1\nname: generated\nnodes:\n  rows: { kind: load.jsonl, path: rows.jsonl }\n",
    );
    let mut outputs = String::from("outputs:\n");
    let mut before = "rows".to_owned();
    for number in 1..nodes {
        let starts = match shape {
            Shape::Chain => number == 1,
            Shape::Fan => true,
            Shape::Both => number % 10 == 1,
        };
        if starts {
            "rows".clone_into(&mut before);
        }
        let name = format!("node-{number}");
        if number % 2 == 0 {
            let _ = writeln!(
                text,
                "  {name}: {{ kind: select.top, input: {before}, score: {before}.score, count: {} }}",
                number % 90 + 1
            );
        } else {
            let _ = writeln!(
                text,
                "  {name}: {{ kind: select.where, input: {before}, expression: \"score > {}\" }}",
                number % 7
            );
        }
        let ends = match shape {
            Shape::Chain => number == nodes - 1,
            Shape::Fan => true,
            Shape::Both => number % 10 == 0 || number == nodes - 1,
        };
        if ends {
            let _ = writeln!(
                outputs,
                "  - {{ from: {name}, path: out/{name}.csv, format: csv }}"
            );
        }
        before = name;
    }
    text + &outputs
}

/// Of the line that fits the points best.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let above: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let below: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    above / below
}
