//! `trommel select verify`: whether a selection comes out again as its lock file says.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, Subcommand};
use trommel_engine::cache::Cache;
use trommel_engine::diagnostics::{Problem, Problems};
use trommel_engine::node::Device;
use trommel_engine::plan::Plan;
use trommel_engine::run::{Listener, RunOptions, output_digest, run as run_plan};
use trommel_hub::Hub;

use super::run::{INTERRUPTED, machine_memory, stop_on_signals};
use super::{CacheArgs, PipelineArgs, require_files};
use crate::console::Console;
use crate::locked::{self, Lock};
use crate::terminal;

#[derive(Args)]
pub(crate) struct SelectVerb {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Select again and compare with a lock file: picks, what they lowered, settings, digests of data and weights
    Verify(VerifyArgs),
}

#[derive(Args)]
struct VerifyArgs {
    /// The lock file beside an output
    lock: PathBuf,
    /// The pipeline file [default: the one that the lock file names]
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// Give a parameter another value than the lock file says (YAML)
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Where models run: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: Device,
    #[command(flatten)]
    cache: CacheArgs,
}

pub(super) fn run(verb: &SelectVerb) -> Result<ExitCode, Problems> {
    let Verb::Verify(args) = &verb.verb;
    let unreadable = |reason: String| {
        Problem::error(
            "call::lock",
            format!("cannot use {}: {reason}", args.lock.display()),
        )
        .help("give the `.lock.json` beside the output of a select node")
    };
    let lock = Lock::read(&args.lock).map_err(unreadable)?;
    let pipeline = PipelineArgs {
        file: match &args.pipeline {
            Some(file) => file.clone(),
            None => lock.pipeline_beside(&args.lock),
        },
        set: lock.settings().chain(args.set.iter().cloned()).collect(),
    };
    let mut plan = pipeline.compile_to_run(true)?;
    let name = lock.file_name();
    let node = lock.node();
    // An output of the same name where there are several; else any of the node will do.
    let of_node = |plan: &Plan, named: bool| {
        plan.outputs.iter().position(|output| {
            plan.node(output.from).name == node
                && (!named || output.path.path().file_name().is_some_and(|n| *n == *name))
        })
    };
    let Some(place) = of_node(&plan, true).or_else(|| of_node(&plan, false)) else {
        return Err(Problem::error(
            "select::no_output",
            format!("{} has no output from `{node}`", pipeline.file.display()),
        )
        .help("give the pipeline with --pipeline FILE")
        .into());
    };
    plan.outputs = vec![plan.outputs.swap_remove(place)];
    let needed = plan.needed_by_outputs();
    require_files(&plan, &needed)?;
    let cache = Arc::new(args.cache.open()?);
    let again = match select_again(&Arc::new(plan), &cache, args.device)? {
        Ok(again) => again,
        Err(ended) => return Ok(ended),
    };
    let mut found = locked::differences(&lock, &again);
    let output = args.lock.with_file_name(&name);
    let written = output_digest(&output, &cache);
    if written.is_ok_and(|digest| digest.to_string() != lock.file_digest()) {
        found.push(format!(
            "output    {} is not the file that was written with the lock file",
            output.display()
        ));
    }
    for line in &found {
        terminal::give(line);
    }
    if !found.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let count = lock.picks().len();
    terminal::give(&format!(
        "verified  {count} picks of `{node}`, in order; settings, data and weights are those of the lock file"
    ));
    Ok(ExitCode::SUCCESS)
}

/// The lock file that comes out of running the pipeline with its select node anew; else how that ended.
fn select_again(
    plan: &Arc<Plan>,
    cache: &Arc<Cache>,
    device: Device,
) -> Result<Result<Lock, ExitCode>, Problems> {
    let fault = |e: &dyn std::fmt::Display| Problem::error("select::verify", e.to_string());
    let scratch = cache.scratch().map_err(|e| fault(&e))?;
    let cancel = Arc::new(AtomicBool::new(false));
    stop_on_signals(&cancel).map_err(|e| fault(&e))?;
    let output = &plan.outputs[0];
    let name = output
        .path
        .path()
        .file_name()
        .unwrap_or_default()
        .to_owned();
    let options = RunOptions {
        memory: machine_memory(),
        device,
        force: HashSet::from([output.from]),
        outputs_in: Some(scratch.path().to_owned()),
        models: Arc::new(Hub::from_environment()),
        cancel: cancel.clone(),
        ..RunOptions::default()
    };
    let listener: Arc<dyn Listener> = Arc::new(Console::new());
    let report = match run_plan(plan, cache, options, &listener) {
        Ok((report, _)) => report,
        Err(error) => return Ok(Err(super::failed(error.message, error.help))),
    };
    if cancel.load(Ordering::Relaxed) {
        return Ok(Err(ExitCode::from(INTERRUPTED)));
    }
    if report.failed > 0 {
        return Ok(Err(ExitCode::FAILURE));
    }
    let mut file = name;
    file.push(".lock.json");
    let again = Lock::read(&scratch.path().join(Path::new(&file))).map_err(|e| fault(&e))?;
    Ok(Ok(again))
}
