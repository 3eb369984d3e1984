//! `trommel test`: runs the tests of a pipeline file in a cache of their own.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use clap::Args;
use serde_json::{Value as Json, json};
use trommel_engine::cache::Cache;
use trommel_engine::compile::{CompiledTest, Expectation};
use trommel_engine::diagnostics::{Problem, Problems, suggest};
use trommel_engine::node::Device;
use trommel_engine::run::{Event, Listener, RunOptions, run as run_plan};
use trommel_hub::Hub;

use super::{PipelineArgs, require_files};
use crate::expect::{Cell, Difference, What, differences};
use crate::{show, terminal};

#[derive(Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Only the tests of these names
    name: Vec<String>,
    /// Where models run: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: Device,
    /// One JSON object per test on stdout
    #[arg(long)]
    json: bool,
}

/// Rows of a difference that are shown; `--json` has all.
const MOST_ROWS: usize = 20;

pub(super) fn run(args: &TestArgs) -> Result<ExitCode, Problems> {
    let (_, tests, _) = args.pipeline.compile_with_tests()?;
    let tests = chosen(tests, &args.name, &args.pipeline)?;
    let folder = tempfile::tempdir().map_err(|e| {
        Problem::error("test::cache", format!("cannot make a temporary cache: {e}"))
    })?;
    let cache =
        Cache::open(folder.path()).map_err(|e| Problem::error("test::cache", e.to_string()))?;
    let cache = Arc::new(cache);
    let mut failed = 0;
    for test in &tests {
        let start = Instant::now();
        let found = run_test(test, &cache, args.device);
        failed += usize::from(!found.is_empty());
        if args.json {
            let object = json!({
                "test": test.name,
                "ok": found.is_empty(),
                "seconds": start.elapsed().as_secs_f64(),
                "differences": found,
            });
            terminal::give(&object.to_string());
            continue;
        }
        let word = if found.is_empty() { "ok    " } else { "FAILED" };
        terminal::give(&format!("{word}  {}", test.name));
        for difference in &found {
            terminal::give(&in_words(difference));
        }
    }
    if !args.json {
        let count = tests.len();
        terminal::give(&match failed {
            0 => format!("{count} tests passed"),
            _ => format!("{failed} of {count} tests failed"),
        });
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn chosen(
    mut tests: Vec<CompiledTest>,
    names: &[String],
    args: &PipelineArgs,
) -> Result<Vec<CompiledTest>, Problems> {
    if tests.is_empty() {
        let message = format!("{} has no tests", args.file.display());
        return Err(Problem::error("call::no_tests", message)
            .help("write some: `tests: [{ name: ..., given: { NODE: [ROW, ...] }, expect: [{ node: NODE, rows: N }] }]`")
            .into());
    }
    let all: Vec<&str> = tests.iter().map(|t| t.name.as_str()).collect();
    let mut problems = Problems::default();
    for name in names.iter().filter(|n| !all.contains(&n.as_str())) {
        problems.push(
            Problem::error("call::unknown_test", format!("there is no test `{name}`"))
                .help(suggest(name, "test", &all)),
        );
    }
    if problems.has_errors() {
        return Err(problems);
    }
    tests.retain(|t| names.is_empty() || names.contains(&t.name));
    Ok(tests)
}

/// Keeps what nodes failed with.
#[derive(Default)]
struct Failures(Mutex<BTreeMap<String, String>>);

impl Listener for Failures {
    fn event(&self, event: &Event) {
        if let (Event::NodeFailed { node, message, .. }, Ok(mut all)) = (event, self.0.lock()) {
            all.insert(node.clone(), message.clone());
        }
    }
}

fn run_test(test: &CompiledTest, cache: &Arc<Cache>, device: Device) -> Vec<Difference> {
    let plan = &test.plan;
    let targets = test.targets();
    let everywhere = |message: String| {
        let what = What::Failed { message };
        let first = test.expect.first();
        let node = first.map_or_else(String::new, |e| plan.node(e.node).name.clone());
        vec![Difference { node, what }]
    };
    if let Err(missing) = require_files(plan, &plan.ancestors(targets.iter().copied())) {
        let lines: Vec<String> = missing.iter().map(|p| p.message.clone()).collect();
        return everywhere(lines.join("\n"));
    }
    let options = RunOptions {
        device,
        targets: Some(targets),
        models: Arc::new(Hub::from_environment()),
        ..RunOptions::default()
    };
    let failures = Arc::new(Failures::default());
    let listener: Arc<dyn Listener> = failures.clone();
    let tables = match run_plan(plan, cache, options, &listener) {
        Ok((_, tables)) => tables,
        Err(error) => return everywhere(error.message),
    };
    let failed = failures.0.lock().map(|f| f.clone()).unwrap_or_default();
    let mut found = Vec::new();
    for expectation in &test.expect {
        let name = &plan.node(expectation.node).name;
        let ports = tables.get(&expectation.node);
        let table = ports.and_then(|t| t.ports.get(expectation.port));
        let whats = match (&expectation.spec.error, table) {
            (Some(expected), _) => error_differs(expected, failed.get(name)),
            (None, Some(table)) => {
                let compared = differences(table, &expectation.spec);
                compared.unwrap_or_else(|message| vec![What::Failed { message }])
            }
            (None, None) => vec![What::Failed {
                message: why_not(name, &failed),
            }],
        };
        let node = shown(test, expectation);
        found.extend(whats.into_iter().map(|what| Difference {
            node: node.clone(),
            what,
        }));
    }
    found
}

fn error_differs(expected: &str, found: Option<&String>) -> Vec<What> {
    if found.is_some_and(|message| message.contains(expected)) {
        return Vec::new();
    }
    vec![What::Error {
        expected: expected.to_owned(),
        found: found.cloned(),
    }]
}

/// The node's own failure, else that of what it reads.
fn why_not(name: &str, failed: &BTreeMap<String, String>) -> String {
    match failed.get(name) {
        Some(message) => message.clone(),
        None => {
            let others = failed.iter().map(|(node, m)| format!("{node} failed: {m}"));
            others.collect::<Vec<_>>().join("\n")
        }
    }
}

fn shown(test: &CompiledTest, expectation: &Expectation) -> String {
    let node = test.plan.node(expectation.node);
    match expectation.port {
        0 => node.name.clone(),
        port => format!("{}.{}", node.name, node.ports[port].name),
    }
}

fn in_words(difference: &Difference) -> String {
    let node = &difference.node;
    let text = match &difference.what {
        What::Rows { expected, found } => {
            format!("{node}: {expected} rows expected, {found} found")
        }
        What::Column {
            column,
            cells,
            rows,
        } => {
            let count = cells.len();
            let head = format!("{node}.{column}: {count} of {rows} rows differ");
            format!("{head}\n{}", grid(cells))
        }
        What::Contains { row } => format!("{node}: no row like {row}"),
        What::NoColumn { column } => format!("{node}: there is no column {column}"),
        What::Failed { message } => format!("{node}: not run: {message}"),
        What::Error {
            expected,
            found: Some(found),
        } => format!("{node}: failed, but not with \"{expected}\":\n{found}"),
        What::Error {
            expected,
            found: None,
        } => format!("{node}: did not fail; \"{expected}\" was expected"),
    };
    let lines = text.lines().map(|line| format!("        {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn grid(cells: &[Cell]) -> String {
    let cell = |value: &Option<Json>| {
        let text = value.as_ref().map(ToString::to_string);
        text.unwrap_or_else(|| "(no such row)".into())
    };
    let rows: Vec<Vec<String>> = cells
        .iter()
        .take(MOST_ROWS)
        .map(|c| vec![c.row.to_string(), cell(&c.expected), cell(&c.found)])
        .collect();
    let text = show::grid(&["row", "expected", "found"], &rows);
    match cells.len() {
        count if count > MOST_ROWS => format!("{text}\nand {} more", count - MOST_ROWS),
        _ => text,
    }
}
