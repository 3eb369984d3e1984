//! `trommel compare`: two runs side by side, or two selections.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use trommel_engine::cache::{Cache, RunRecord};
use trommel_engine::diagnostics::{Problem, Problems, suggest};

use super::CacheArgs;
use super::runs::{give_json, named_run};
use crate::compare::{self, Selection};
use crate::terminal;

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// A run (its name, the start or the end of that, `last`, `last~1`), a selection of one
    /// (`RUN:NODE`), or a selection's file or lock file
    a: String,
    /// As A
    b: String,
    #[command(flatten)]
    cache: CacheArgs,
    /// One JSON document on stdout
    #[arg(long)]
    json: bool,
}

enum Side {
    Run(Box<RunRecord>),
    Selection(Selection),
}

/// Why there is nothing to compare.
enum Fault {
    Call(Problems),
    /// The call is right, but what it names can no longer be read.
    Gone(String),
}

pub(super) fn run(args: &CompareArgs) -> Result<ExitCode, Problems> {
    let cache = args.cache.open()?;
    let sides = side(&cache, &args.a).and_then(|a| Ok((a, side(&cache, &args.b)?)));
    match sides {
        Ok((Side::Run(a), Side::Run(b))) => {
            let compared = compare::compare_runs(&cache, &a, &b);
            if args.json {
                give_json(&compared);
            } else {
                terminal::give(&compare::of_runs(&compared));
            }
        }
        Ok((Side::Selection(a), Side::Selection(b))) => {
            let compared = compare::compare(&a, &b);
            if args.json {
                give_json(&compared);
            } else {
                terminal::give(&compare::of_selections(&compared));
            }
        }
        Ok(_) => {
            let message = "a run cannot be compared with a selection";
            let problem = Problem::error("call::compare", message);
            return Err(problem.help("RUN:NODE names a selection of a run").into());
        }
        Err(Fault::Call(problems)) => return Err(problems),
        Err(Fault::Gone(message)) => {
            return Ok(super::failed(message, Some("run it again".to_owned())));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn side(cache: &Cache, word: &str) -> Result<Side, Fault> {
    if let Some(lock) = lock_of(word)? {
        let selection = Selection::of_lock(&lock).map_err(|reason| {
            call(
                "call::lock",
                format!("{} is no lock file: {reason}", lock.display()),
            )
        })?;
        return Ok(Side::Selection(selection));
    }
    let Some((run, node)) = word.split_once(':') else {
        return named_run(cache, word)
            .map(|run| Side::Run(Box::new(run)))
            .map_err(Fault::Call);
    };
    let record = named_run(cache, run).map_err(Fault::Call)?;
    let select = |name: &str| {
        record
            .nodes
            .get(name)
            .is_some_and(|n| n.kind.starts_with("select."))
    };
    if !select(node) {
        let names: Vec<&str> = record
            .nodes_in_order()
            .into_iter()
            .map(|(n, _)| n)
            .filter(|n| select(n))
            .collect();
        let message = match record.nodes.get(node) {
            Some(other) => format!(
                "`{node}` is no selection, but a node of kind {}",
                other.kind
            ),
            None => format!("{} has no node `{node}`", record.id),
        };
        let problem = Problem::error("call::unknown_node", message);
        return Err(Fault::Call(
            problem.help(suggest(node, "selection", &names)).into(),
        ));
    }
    compare::selection_of(cache, &record, node)
        .map(Side::Selection)
        .map_err(Fault::Gone)
}

/// The lock file that a word names, itself or by the output beside it.
fn lock_of(word: &str) -> Result<Option<PathBuf>, Fault> {
    let path = Path::new(word);
    if word.ends_with(".lock.json") && path.is_file() {
        return Ok(Some(path.to_owned()));
    }
    let beside = PathBuf::from(format!("{word}.lock.json"));
    if beside.is_file() {
        return Ok(Some(beside));
    }
    if path.exists() {
        let message = format!("{word} is no output of a select node: there is no {word}.lock.json");
        return Err(call("call::lock", message));
    }
    if word.contains('/') || path.extension().is_some_and(|e| e == "json") {
        return Err(call("call::lock", format!("there is no file {word}")));
    }
    Ok(None)
}

fn call(code: &'static str, message: String) -> Fault {
    Fault::Call(Problem::error(code, message).into())
}
