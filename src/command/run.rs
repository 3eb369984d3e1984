//! `trommel run`.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};
use trommel_engine::diagnostics::{Problem, Problems};
use trommel_engine::node::Device;
use trommel_engine::run::{Listener, RECORDS_KEPT, Recorder, RunOptions, run as run_plan};
use trommel_hub::Hub;

use super::{CacheArgs, PipelineArgs, named_nodes, require_files};
use crate::console::{Console, JsonLines};
use crate::quantity::parse_size;
use crate::{summary, terminal};

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    cache: CacheArgs,
    /// Run only what this node needs, and write no outputs
    #[arg(long, value_name = "NODE")]
    to: Vec<String>,
    /// Compute this node again, whatever the cache holds
    #[arg(long, value_name = "NODE")]
    force: Vec<String>,
    /// Jobs at a time [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Memory that nodes may plan with, such as 8GB [default: what the machine has free]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
    /// Stop all nodes at the first failure
    #[arg(long, conflicts_with = "keep_going")]
    fail_fast: bool,
    /// After a failure run all that does not depend on it [default]
    #[arg(long)]
    keep_going: bool,
    /// Stop before training: what it reads is computed, and the memory that it needs is told
    #[arg(long)]
    dry_run: bool,
    /// Where models run: auto, cpu or cuda:N
    #[arg(long, default_value = "auto")]
    device: Device,
    /// One JSON object per event on stdout
    #[arg(long)]
    json: bool,
    /// Records of runs to keep (`trommel runs`); older ones go
    #[arg(long, value_name = "N", default_value_t = RECORDS_KEPT, hide_default_value = true)]
    keep_runs: usize,
}

/// As a shell reports a program that ended by Ctrl-C.
pub(super) const INTERRUPTED: u8 = 130;

pub(super) fn run(args: &RunArgs) -> Result<ExitCode, Problems> {
    let plan = Arc::new(args.pipeline.compile_to_run(!args.to.is_empty())?);
    let mut targets = Vec::new();
    for name in &args.to {
        targets.extend(named_nodes(&plan, name, "--to")?);
    }
    let targets = (!targets.is_empty()).then_some(targets);
    let needed = targets.as_ref().map_or_else(
        || plan.needed_by_outputs(),
        |t| plan.ancestors(t.iter().copied()),
    );
    let mut force = HashSet::new();
    for name in &args.force {
        force.extend(named_nodes(&plan, name, "--force")?);
    }
    require_files(&plan, &needed)?;
    let cache = Arc::new(args.cache.open()?);
    let cancel = Arc::new(AtomicBool::new(false));
    stop_on_signals(&cancel)
        .map_err(|e| Problem::error("run::signals", format!("cannot listen for Ctrl-C: {e}")))?;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = RunOptions {
        jobs: args.jobs.map_or(processors, usize::from),
        memory: args.memory.unwrap_or_else(machine_memory),
        fail_fast: args.fail_fast,
        dry_run: args.dry_run,
        outputs_in: None,
        device: args.device,
        targets,
        force,
        models: Arc::new(Hub::from_environment()),
        cancel: cancel.clone(),
    };
    let listener: Arc<dyn Listener> = if args.json {
        Arc::new(JsonLines)
    } else {
        Arc::new(Console::new())
    };
    let recorder = Recorder::start(
        &cache,
        &plan,
        &needed,
        &options,
        args.keep_runs,
        listener.clone(),
    );
    let (recorder, listener) = match recorder {
        Ok(recorder) => {
            let recorder = Arc::new(recorder);
            (Some(recorder.clone()), recorder as Arc<dyn Listener>)
        }
        Err(error) => {
            unrecorded(&error.to_string());
            (None, listener)
        }
    };
    let ended = run_plan(&plan, &cache, options, &listener);
    if let (Some(recorder), Err(error)) = (&recorder, &ended) {
        recorder.failed(&error.message);
    }
    if let Some(trouble) = recorder.and_then(|r| r.trouble()) {
        unrecorded(&trouble);
    }
    let (report, tables) = match ended {
        Ok(done) => done,
        Err(error) => return Ok(super::failed(error.message, error.help)),
    };
    if cancel.load(Ordering::Relaxed) {
        terminal::say(
            "interrupted; what is done is in the cache, and the next run goes on from there",
        );
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if report.failed > 0 {
        return Ok(ExitCode::FAILURE);
    }
    if !args.json {
        summary::give(&plan, &tables);
    }
    Ok(ExitCode::SUCCESS)
}

/// A run without its record is still a run.
fn unrecorded(because: &str) {
    terminal::say(&format!("warning  this run is not recorded: {because}"));
}

/// The first signal asks for a clean stop, the second one stops at once.
pub(super) fn stop_on_signals(cancel: &Arc<AtomicBool>) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(INTERRUPTED),
            cancel.clone(),
        )?;
        signal_hook::flag::register(signal, cancel.clone())?;
    }
    Ok(())
}

/// Bytes that the machine has free, for nodes that say what they need.
pub(super) fn machine_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib << 10)
}
