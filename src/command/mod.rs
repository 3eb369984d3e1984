//! The verbs of the program, one file each.

mod cache;
mod check;
mod compare;
mod explain;
mod graph;
mod init;
mod kinds;
mod plan;
mod run;
mod runs;
mod schema;
mod schema_sections;
mod select;
mod show;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use trommel_engine::cache::{Cache, Verify};
use trommel_engine::compile::{CompiledTest, compile, compile_tests, missing_files};
use trommel_engine::diagnostics::{Problem, Problems};
use trommel_engine::node::Registry;
use trommel_engine::plan::{NodeId, Plan};
use trommel_engine::spec::{Document, Override};

use crate::terminal;

/// Choose the training data of vision-language models.
#[derive(Parser)]
#[command(
    name = "trommel",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile a pipeline file and report every fault
    Check(PipelineArgs),
    /// Say of every node whether it is cached or would run, and why
    Plan(plan::PlanArgs),
    /// Take a node's key apart: what it is made of, and what changed since the last run
    Explain(explain::ExplainArgs),
    /// Run a pipeline; what the cache holds is not computed again
    Run(run::RunArgs),
    /// Look at what a node gave
    Show(show::ShowArgs),
    /// List the runs of the past, or tell of one
    Runs(runs::RunsArgs),
    /// Compare two runs, or two selections
    Compare(compare::CompareArgs),
    /// Select again what a lock file says, and compare
    Select(select::SelectVerb),
    /// Run the tests that stand in a pipeline file
    Test(test::TestArgs),
    /// Draw the pipeline
    Graph(graph::GraphArgs),
    /// Look after the cache: list it, measure it, clear it out, verify it
    Cache(cache::CacheVerb),
    /// List the kinds of nodes, or one kind's configuration, ports and columns
    Kinds(kinds::KindsArgs),
    /// Print the JSON Schema of pipeline files
    Schema,
    /// Write a ready project with the quickstart data
    Init(init::InitArgs),
}

#[derive(Args)]
pub(crate) struct PipelineArgs {
    /// The pipeline file
    file: PathBuf,
    /// Give a parameter another value (YAML)
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
}

#[derive(Args)]
pub(crate) struct CacheArgs {
    /// The cache folder [default: `TROMMEL_CACHE`, else .trommel]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

pub(crate) fn run(cli: Cli) -> Result<ExitCode, Problems> {
    match cli.command {
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Select(verb) => select::run(&verb),
        Command::Test(args) => test::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Cache(args) => cache::run(&args),
        Command::Kinds(args) => kinds::run(&args),
        Command::Schema => Ok(schema::run()),
        Command::Init(args) => init::run(&args),
    }
}

/// The kinds that this program knows.
pub(crate) fn registry() -> Registry {
    trommel_nodes::registry()
}

impl PipelineArgs {
    /// Reads and compiles.
    fn compile(&self) -> Result<(Plan, Problems), Problems> {
        let pipeline = Document::read(&self.file)?.pipeline(&self.overrides()?)?;
        compile(&pipeline, &registry())
    }

    /// Reads and compiles, the tests of the file as well.
    fn compile_with_tests(&self) -> Result<(Plan, Vec<CompiledTest>, Problems), Problems> {
        let overrides = self.overrides()?;
        let document = Document::read(&self.file)?;
        let (plan, warnings) = compile(&document.pipeline(&overrides)?, &registry())?;
        let tests = compile_tests(&document, &overrides, &registry())?;
        Ok((plan, tests, warnings))
    }

    fn overrides(&self) -> Result<Vec<Override>, Problems> {
        let mut overrides = Vec::new();
        let mut problems = Problems::default();
        for set in &self.set {
            match Override::parse(set) {
                Ok(o) => overrides.push(o),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(overrides)
    }

    /// Compiles for running: only what `nodes` need must be there. Where nodes are named, outputs are not missed.
    fn compile_to_run(&self, named: bool) -> Result<Plan, Problems> {
        let (plan, warnings) = self.compile()?;
        // What is not there is looked at again for the nodes that run; what is not needed is no news.
        let mut others = Problems::default();
        let mut known = vec!["compile::missing_file", TO_FETCH, "compile::unneeded"];
        known.extend(named.then_some("compile::no_outputs"));
        warnings
            .into_iter()
            .filter(|w| !known.contains(&w.code))
            .for_each(|w| others.push(w));
        terminal::report(&others);
        Ok(plan)
    }
}

/// The warning of a model that is fetched by the run that needs it.
const TO_FETCH: &str = "compile::model_to_fetch";

/// Files that `nodes` name and that are not there stop a run before it starts.
fn require_files(plan: &Plan, nodes: &std::collections::HashSet<NodeId>) -> Result<(), Problems> {
    let mut missing = Problems::default();
    missing_files(plan, nodes)
        .into_iter()
        .filter(|problem| problem.code != TO_FETCH)
        .map(Problem::into_error)
        .for_each(|p| missing.push(p));
    if missing.is_empty() {
        Ok(())
    } else {
        Err(missing)
    }
}

impl CacheArgs {
    fn folder(&self) -> PathBuf {
        let from_environment = || {
            std::env::var_os("TROMMEL_CACHE")
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let given = self.cache.clone().or_else(from_environment);
        given.unwrap_or_else(|| PathBuf::from(".trommel"))
    }

    fn open(&self) -> Result<Cache, Problems> {
        let policy = verify_policy()?;
        let waiting = |holder: &str| {
            terminal::say(&format!(
                "waiting for {holder}, who is clearing out the cache"
            ));
        };
        let cache = Cache::open_patiently(self.folder(), waiting).map_err(|error| {
            let other = "--cache DIR or TROMMEL_CACHE name another folder";
            Problem::error("cache::open", error.to_string()).help(error.help().unwrap_or(other))
        })?;
        Ok(cache.verify(policy))
    }
}

/// Whether what is read from the cache is checked.
fn verify_policy() -> Result<Verify, Problems> {
    let policy = std::env::var("TROMMEL_VERIFY").unwrap_or_default();
    match policy.as_str() {
        "" | "read" => Ok(Verify::Read),
        "never" => Ok(Verify::Never),
        other => Err(
            Problem::error("call::verify", format!("TROMMEL_VERIFY is `{other}`"))
                .help("it may be `read` (what is read is checked) or `never`")
                .into(),
        ),
    }
}

/// The nodes of a name that the user gave on the command line: one, or variants of a swept node.
fn named_nodes(plan: &Plan, name: &str, option: &str) -> Result<Vec<NodeId>, Problems> {
    let found = plan.matching(name);
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<&str> = plan.nodes().map(|(_, n)| n.name.as_str()).collect();
    let near = trommel_engine::diagnostics::nearest(name, names.iter().copied());
    let help = near.map_or_else(
        || {
            format!(
                "the nodes are {}",
                trommel_engine::diagnostics::listed(&names)
            )
        },
        |n| format!("did you mean `{n}`?"),
    );
    let message = format!("{option}: the pipeline has no node `{name}`");
    Err(Problem::error("call::unknown_node", message)
        .help(help)
        .into())
}

/// The one node of a name that the user gave on the command line.
fn named_node(plan: &Plan, name: &str, option: &str) -> Result<NodeId, Problems> {
    let found = named_nodes(plan, name, option)?;
    if let [one] = found[..] {
        return Ok(one);
    }
    let names: Vec<&str> = found
        .iter()
        .map(|id| plan.node(*id).name.as_str())
        .collect();
    let message = format!("{option}: `{name}` comes in {} variants", names.len());
    Err(Problem::error("call::variants", message)
        .help(format!(
            "name one of {}",
            trommel_engine::diagnostics::listed(&names)
        ))
        .into())
}

/// A file of the user's that cannot be written.
fn cannot_write(path: &Path, error: &dyn std::fmt::Display) -> Problems {
    Problem::error(
        "call::write",
        format!("cannot write {}: {error}", path.display()),
    )
    .into()
}

fn failed(message: impl Into<String>, help: Option<String>) -> ExitCode {
    terminal::report(
        &Problem::error("run::failed", message)
            .maybe_help(help)
            .into(),
    );
    ExitCode::FAILURE
}
