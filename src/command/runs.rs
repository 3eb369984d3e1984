//! `trommel runs`: what has been run, and how it went.

use std::process::ExitCode;

use clap::Args;
use trommel_engine::cache::{Cache, NodeState, RunNode, RunRecord, RunState};
use trommel_engine::diagnostics::{Problem, Problems, nearest};

use super::CacheArgs;
use crate::quantity::size;
use crate::{layout, terminal};

#[derive(Args)]
pub(crate) struct RunsArgs {
    /// Tell of this run: its name, the start or the end of that, `last` or `last~1`
    #[arg(value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    cache: CacheArgs,
    /// How many runs to list
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    number: usize,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &RunsArgs) -> Result<ExitCode, Problems> {
    let cache = args.cache.open()?;
    if let Some(name) = &args.run {
        let record = named_run(&cache, name)?;
        if args.json {
            give_json(&record);
        } else {
            terminal::give(&told(&record));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (mut records, mut broken) = (Vec::new(), Vec::new());
    for id in cache.run_ids().into_iter().take(args.number) {
        match cache.run(&id) {
            Some(record) => records.push(record),
            None => broken.push(id),
        }
    }
    if args.json {
        give_json(&records);
    } else if records.is_empty() {
        terminal::say(&format!(
            "no runs are recorded in {}",
            cache.root().display()
        ));
    } else {
        terminal::give(&listed(&records));
    }
    if !broken.is_empty() {
        terminal::say(&format!(
            "not readable, and left out: {}",
            broken.join(", ")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn give_json(value: &impl serde::Serialize) {
    terminal::give(&serde_json::to_string_pretty(value).unwrap_or_default());
}

fn listed(records: &[RunRecord]) -> String {
    let header = [
        "run",
        "started (UTC)",
        "pipeline",
        "state",
        "ran",
        "cached",
        "failed",
        "seconds",
        "memory",
    ];
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|record| {
            vec![
                record.id.clone(),
                started(record),
                record.pipeline.clone(),
                state(record.state).to_owned(),
                record.count(NodeState::Done).to_string(),
                record.count(NodeState::Cached).to_string(),
                record.count(NodeState::Failed).to_string(),
                format!("{:.2}", record.seconds),
                record.peak_memory_of_all().map_or_else(String::new, size),
            ]
        })
        .collect();
    layout::plain(&header, &rows)
}

fn started(record: &RunRecord) -> String {
    record
        .started
        .get(..19)
        .unwrap_or_default()
        .replace('T', " ")
}

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Running => "running",
        RunState::Done => "done",
        RunState::Failed => "failed",
        RunState::Interrupted => "interrupted",
        RunState::Died => "died",
    }
}

/// All of one run.
fn told(record: &RunRecord) -> String {
    let mut facts = vec![
        ("run", record.id.clone()),
        ("started", format!("{} UTC", started(record))),
        (
            "state",
            format!("{} after {:.2} s", state(record.state), record.seconds),
        ),
        ("pipeline", format!("{} ({})", record.pipeline, record.file)),
    ];
    if let Some(params) = record.params.as_object().filter(|p| !p.is_empty()) {
        let list: Vec<String> = params
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        facts.push(("params", list.join(" ")));
    }
    facts.push((
        "machine",
        format!(
            "{}, {} processors, {} jobs, device {}",
            record.system, record.processors, record.jobs, record.device
        ),
    ));
    facts.push(("program", format!("trommel {}", record.version)));
    for worker in &record.workers {
        let peak = worker
            .peak_memory
            .map_or_else(String::new, |b| format!(", {} at most", size(b)));
        facts.push((
            "worker",
            format!(
                "{} {} on {}{peak}",
                worker.name, worker.version, worker.device
            ),
        ));
    }
    if let Some(bytes) = record.peak_memory {
        facts.push(("memory", format!("{} at most", size(bytes))));
    }
    let mut text = String::new();
    for (name, fact) in facts {
        text += &format!("{name:<9} {fact}\n");
    }
    let header = [
        "node",
        "kind",
        "state",
        "rows",
        "new",
        "failed rows",
        "seconds",
        "chunks",
        "slowest",
        "why",
    ];
    let nodes = record.nodes_in_order();
    let rows: Vec<Vec<String>> = nodes
        .iter()
        .map(|(name, node)| node_row(record, name, node))
        .collect();
    text += &format!("\n{}\n", layout::plain(&header, &rows));
    for (name, node) in nodes {
        if let Some(message) = &node.message {
            text += &format!(
                "\n{name}: {}",
                if node.state == NodeState::Skipped {
                    format!("skipped, because {message} failed")
                } else {
                    message.clone()
                }
            );
        }
    }
    text.extend(record.message.iter().map(|message| format!("\n{message}")));
    for output in &record.outputs {
        let how = match (&output.failure, output.written) {
            (Some(failure), _) => format!("FAILED: {failure}"),
            (None, true) => format!("written, {} rows", output.rows),
            (None, false) => format!("as it was, {} rows", output.rows),
        };
        text += &format!("\n{}: {how}", output.path);
    }
    text.trim_end().to_owned()
}

fn node_row(record: &RunRecord, name: &str, node: &RunNode) -> Vec<String> {
    let known = matches!(node.state, NodeState::Cached | NodeState::Done);
    let done = node.state == NodeState::Done;
    let shown = |condition: bool, text: String| if condition { text } else { String::new() };
    vec![
        name.to_owned(),
        node.kind.clone(),
        node_state(record.state, node.state).to_owned(),
        shown(known, node.rows.to_string()),
        shown(done, node.computed.to_string()),
        shown(node.quarantined > 0, node.quarantined.to_string()),
        shown(done || node.seconds > 0.0, format!("{:.2}", node.seconds)),
        shown(node.chunks.count > 0, node.chunks.count.to_string()),
        shown(node.chunks.count > 0, format!("{:.2}", node.chunks.slowest)),
        node.why.clone(),
    ]
}

fn node_state(run: RunState, node: NodeState) -> &'static str {
    match node {
        NodeState::Waiting if run == RunState::Running => "waiting",
        NodeState::Waiting => "not run",
        NodeState::Started if run == RunState::Running => "running",
        NodeState::Started => "stopped",
        NodeState::Cached => "cached",
        NodeState::Done => "done",
        NodeState::Failed => "failed",
        NodeState::Skipped => "skipped",
    }
}

/// A run by what the user calls it.
pub(super) fn named_run(cache: &Cache, name: &str) -> Result<RunRecord, Problems> {
    let ids = cache.run_ids();
    if ids.is_empty() {
        return Err(unknown(format!(
            "no runs are recorded in {}",
            cache.root().display()
        ))
        .help("`trommel run` records them; --cache names another folder")
        .into());
    }
    let counted = match name.split_once('~') {
        None if name == "last" => Some(0),
        Some(("last", number)) => number.parse::<usize>().ok(),
        _ => None,
    };
    let id = if let Some(back) = counted {
        ids.get(back).ok_or_else(|| {
            unknown(format!("`{name}`: there are {} runs", ids.len())).help(newest(&ids))
        })?
    } else {
        let called = |id: &&String| id.starts_with(name) || id.ends_with(&format!("-{name}"));
        let found: Vec<&String> = ids.iter().filter(called).collect();
        match found[..] {
            [one] if !name.is_empty() => one,
            [] => {
                let near = nearest(name, ids.iter().map(String::as_str).chain(["last"]));
                let help = near.map_or_else(|| newest(&ids), |n| format!("did you mean `{n}`?"));
                return Err(unknown(format!("there is no run `{name}`"))
                    .help(help)
                    .into());
            }
            _ => {
                let some: Vec<&str> = found.iter().take(5).map(|id| id.as_str()).collect();
                return Err(
                    unknown(format!("`{name}` may be any of {} runs", found.len()))
                        .help(format!("write more of it: {}", some.join(", ")))
                        .into(),
                );
            }
        }
    };
    cache.run(id).ok_or_else(|| {
        unknown(format!("the record of {id} cannot be read"))
            .help("name another run")
            .into()
    })
}

fn unknown(message: String) -> Problem {
    Problem::error("call::unknown_run", message)
}

fn newest(ids: &[String]) -> String {
    let some: Vec<&str> = ids.iter().take(3).map(String::as_str).collect();
    format!(
        "the newest are {}; `trommel runs` lists them",
        some.join(", ")
    )
}
