//! `trommel explain`: what a node's key is made of, and what of it changed since the last run.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value as Json, json};
use trommel_engine::diagnostics::{Problem, Problems};
use trommel_engine::plan::PlanNode;
use trommel_engine::run::{Explanation, Part, explain, in_words};

use super::{CacheArgs, PipelineArgs, named_node, require_files};
use crate::terminal;

#[derive(Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// The node
    node: String,
    #[command(flatten)]
    cache: CacheArgs,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

/// Hex digits shown of a digest.
const SHORT: usize = 12;

pub(super) fn run(args: &ExplainArgs) -> Result<ExitCode, Problems> {
    let plan = args.pipeline.compile_to_run(true)?;
    let id = named_node(&plan, &args.node, "explain")?;
    require_files(&plan, &plan.ancestors([id]))?;
    let cache = args.cache.open()?;
    let explanation =
        explain(&plan, id, &cache).map_err(|e| Problem::error("explain::failed", e.message))?;
    let _ = cache.files.save();
    let node = plan.node(id);
    if args.json {
        let text = serde_json::to_string_pretty(&as_json(node, &explanation));
        terminal::give(&text.unwrap_or_default());
    } else {
        terminal::give(&as_text(node, &explanation));
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(node: &PlanNode, explanation: &Explanation) -> Json {
    let status = &explanation.status;
    json!({
        "node": node.name,
        "kind": node.kind_name(),
        "state": status.state,
        "reasons": status.reasons,
        "key": explanation.key.map(|key| key.to_string()),
        "stored": explanation.stored,
        "ran_before": explanation.ran_before,
        "parts": explanation.parts,
        "not_counted": explanation.not_counted,
    })
}

fn as_text(node: &PlanNode, explanation: &Explanation) -> String {
    let status = &explanation.status;
    let mut lines = vec![format!(
        "{} ({}): {}",
        node.name,
        node.kind_name(),
        status.state.word()
    )];
    if !status.reasons.is_empty() {
        lines.push(format!("why     {}", in_words(&status.reasons)));
    }
    lines.push(match explanation.key {
        Some(key) => format!("key     {key}"),
        None => "key     not known yet: an input or a model is missing".to_owned(),
    });
    lines.push(format!(
        "stored  {}",
        if explanation.stored { "yes" } else { "no" }
    ));
    if !explanation.not_counted.is_empty() {
        lines.push(format!(
            "not in the key: {}",
            explanation.not_counted.join(", ")
        ));
    }
    let mut rows = vec![header(explanation.ran_before)];
    rows.extend(explanation.parts.iter().map(|part| row(part, explanation)));
    format!("{}\n\n{}", lines.join("\n"), terminal::columns(&rows))
}

fn header(ran_before: bool) -> Vec<String> {
    let before = if ran_before { "last run" } else { "" };
    ["", "part", "name", "now", before]
        .map(str::to_owned)
        .to_vec()
}

fn row(part: &Part, explanation: &Explanation) -> Vec<String> {
    let name = [Some(part.name.as_str()), part.member.as_deref()];
    let now = match &part.waits_for {
        Some(node) => format!("known when {node} has run"),
        None => shown(part, part.now.as_ref()),
    };
    // What is as it was needs no second telling.
    let before = if part.changed || part.waits_for.is_some() && part.before.is_some() {
        shown(part, part.before.as_ref())
    } else {
        String::new()
    };
    let mark = if part.changed && explanation.ran_before {
        "*"
    } else {
        ""
    };
    vec![
        mark.to_owned(),
        part.part.to_owned(),
        name.into_iter().flatten().collect::<Vec<_>>().join(" "),
        now,
        before,
    ]
}

fn shown(part: &Part, value: Option<&Json>) -> String {
    let is_digest = matches!(part.part, "file" | "input");
    match value {
        None => "nothing".to_owned(),
        Some(Json::String(digest)) if is_digest => digest.chars().take(SHORT).collect(),
        Some(Json::String(text)) if part.part == "kind" => text.clone(),
        Some(value) => value.to_string(),
    }
}
