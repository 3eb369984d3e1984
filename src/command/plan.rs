//! `trommel plan`: what would run, and why.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value as Json, json};
use trommel_engine::diagnostics::{Problem, Problems};
use trommel_engine::node::Estimate;
use trommel_engine::plan::{NodeId, Plan};
use trommel_engine::run::{
    Count, NodeStatus, RunError, State, estimates, in_words, inspect, memory,
};

use super::{CacheArgs, PipelineArgs, named_nodes, require_files};
use crate::{quantity, terminal};

#[derive(Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Only what this node needs
    #[arg(long, value_name = "NODE")]
    to: Vec<String>,
    /// As if this node were to be computed again
    #[arg(long, value_name = "NODE")]
    force: Vec<String>,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PlanArgs) -> Result<ExitCode, Problems> {
    let plan = args.pipeline.compile_to_run(!args.to.is_empty())?;
    let named = |names: &[String], option: &str| -> Result<HashSet<_>, Problems> {
        let nodes = names.iter().map(|name| named_nodes(&plan, name, option));
        Ok(nodes
            .collect::<Result<Vec<_>, _>>()?
            .concat()
            .into_iter()
            .collect())
    };
    let (targets, forced) = (named(&args.to, "--to")?, named(&args.force, "--force")?);
    let nodes = if targets.is_empty() {
        plan.needed_by_outputs()
    } else {
        plan.ancestors(targets)
    };
    require_files(&plan, &nodes)?;
    let cache = args.cache.open()?;
    let failed = |e: RunError| Problem::error("plan::failed", e.message).maybe_help(e.help);
    let statuses = inspect(&plan, &nodes, &forced, &cache).map_err(failed)?;
    let estimates = estimates(&plan, &statuses, &cache).map_err(failed)?;
    let memory = memory(&plan, &statuses, &cache);
    // What was learnt of files serves the run that follows; a cache that cannot be written to still plans.
    let _ = cache.files.save();
    if args.json {
        let nodes: Vec<_> = statuses
            .iter()
            .map(|s| as_json(&plan, s, estimates.get(&s.id), memory.get(&s.id)))
            .collect();
        let text = serde_json::to_string_pretty(&json!({ "pipeline": plan.name, "nodes": nodes }));
        terminal::give(&text.unwrap_or_default());
    } else {
        terminal::give(&as_text(&plan, &statuses, &estimates, &memory));
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(
    plan: &Plan,
    status: &NodeStatus,
    estimate: Option<&Estimate>,
    memory: Option<&u64>,
) -> Json {
    let node = plan.node(status.id);
    json!({
        "node": node.name,
        "kind": node.kind_name(),
        "state": status.state,
        "rows": status.rows,
        "chunks": status.chunks,
        "memory": memory.unwrap_or(&0),
        "estimate": estimate,
        "reasons": status.reasons,
        "why": in_words(&status.reasons),
    })
}

fn as_text(
    plan: &Plan,
    statuses: &[NodeStatus],
    estimates: &HashMap<NodeId, Estimate>,
    memory: &HashMap<NodeId, u64>,
) -> String {
    let header = ["node", "kind", "state", "rows", "chunks", "why"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(statuses.iter().map(|status| {
        let node = plan.node(status.id);
        vec![
            node.name.clone(),
            node.kind_name().to_owned(),
            status.state.word().to_owned(),
            counted(status.rows),
            counted(status.chunks),
            in_words(&status.reasons),
        ]
    }));
    let mut text = format!("{}\n{}", terminal::columns(&rows), totals(statuses));
    for status in statuses {
        let node = &plan.node(status.id).name;
        if let Some(&bytes) = memory.get(&status.id).filter(|bytes| **bytes > 0) {
            text += &format!("\n{node}: up to {} of memory", quantity::size(bytes));
        }
    }
    for status in statuses {
        if let Some(estimate) = estimates.get(&status.id) {
            let node = &plan.node(status.id).name;
            text += &format!("\n{node}: {}", in_few_words(estimate));
        }
    }
    text
}

/// `1204 requests to send (88 answers are there), about 512000 tokens in and 12040 out, cost about 0.27`.
fn in_few_words(estimate: &Estimate) -> String {
    let most = if estimate.at_most { "at most " } else { "" };
    let mut words = format!("{most}{} requests to send", estimate.requests);
    if estimate.answered > 0 {
        words += &format!(" ({} answers are there)", estimate.answered);
    }
    words += &format!(
        ", about {} tokens in and {} out",
        estimate.input_tokens, estimate.output_tokens
    );
    if let Some(cost) = estimate.cost {
        words += &format!(", cost about {cost:.2}");
    }
    words
}

/// `20/21`: cached of all.
fn counted(count: Option<Count>) -> String {
    count.map_or_else(String::new, |c| format!("{}/{}", c.cached, c.all))
}

fn totals(statuses: &[NodeStatus]) -> String {
    let of = |state: State| statuses.iter().filter(|s| s.state == state).count();
    let words = [State::Hit, State::Partial, State::Run, State::Unknown].map(|state| {
        let count = of(state);
        (count > 0).then(|| format!("{count} {}", state.word()))
    });
    let words: Vec<String> = words.into_iter().flatten().collect();
    format!("{} nodes: {}", statuses.len(), words.join(", "))
}
