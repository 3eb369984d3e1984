//! `trommel plan`: what would run, and why.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets};
use serde_json::json;
use trommel_engine::diagnostics::{Problem, Problems};
use trommel_engine::plan::Plan;
use trommel_engine::run::{NodeStatus, State, inspect};

use super::{CacheArgs, PipelineArgs, require_files};
use crate::terminal;

#[derive(Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PlanArgs) -> Result<ExitCode, Problems> {
    let plan = args.pipeline.compile_to_run()?;
    let cache = args.cache.open()?;
    let nodes = plan.needed_by_outputs();
    require_files(&plan, &nodes)?;
    let statuses =
        inspect(&plan, &nodes, &cache).map_err(|e| Problem::error("plan::failed", e.message))?;
    // What was learnt of files serves the run that follows; a cache that cannot be written to still plans.
    let _ = cache.files.save();
    if args.json {
        let nodes: Vec<_> = statuses.iter().map(|s| as_json(&plan, s)).collect();
        let text = serde_json::to_string_pretty(&json!({ "pipeline": plan.name, "nodes": nodes }));
        terminal::give(&text.unwrap_or_default());
    } else {
        terminal::give(&as_table(&plan, &statuses));
    }
    Ok(ExitCode::SUCCESS)
}

fn word(state: State) -> &'static str {
    match state {
        State::Cached => "cached",
        State::Run => "run",
        State::Unknown => "unknown",
    }
}

fn as_json(plan: &Plan, status: &NodeStatus) -> serde_json::Value {
    let node = plan.node(status.id);
    json!({
        "node": node.name,
        "kind": node.kind_name(),
        "state": word(status.state),
        "why": status.why,
        "chunks_cached": status.chunks.map(|(cached, _)| cached),
        "chunks": status.chunks.map(|(_, all)| all),
        "rows": status.tables.as_ref().and_then(|t| t.ports.first()).map(trommel_engine::table::Table::rows),
    })
}

fn as_table(plan: &Plan, statuses: &[NodeStatus]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_header(["node", "kind", "state", "chunks", "why"]);
    for status in statuses {
        let node = plan.node(status.id);
        let chunks = status
            .chunks
            .map_or_else(String::new, |(cached, all)| format!("{cached}/{all}"));
        table.add_row([
            node.name.as_str(),
            node.kind_name(),
            word(status.state),
            &chunks,
            &status.why,
        ]);
    }
    table.to_string()
}
