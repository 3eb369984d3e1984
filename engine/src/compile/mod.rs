//! Phase 2: a pipeline and the kinds there are become a plan. Every error is collected.
//!
//! Runs nothing and reads no data; what lies on disk is only looked for, to warn.

mod common;
mod edges;
mod files;
mod given;
mod inline;
mod nodes;
mod order;
mod outputs;
mod references;
mod test_plans;
mod variants;

use crate::diagnostics::Problems;
use crate::node::Registry;
use crate::plan::{Plan, PlanBuilder};
use crate::spec::Pipeline;
use given::Cut;

pub use files::missing_files;
pub use test_plans::{CompiledTest, Expectation, compile_tests};

/// Compiles. The problems beside a plan are warnings.
pub fn compile(pipeline: &Pipeline, registry: &Registry) -> Result<(Plan, Problems), Problems> {
    compile_with(pipeline, registry, None)
}

/// Compiles, for a test only what that needs.
fn compile_with(
    pipeline: &Pipeline,
    registry: &Registry,
    test: Option<Cut>,
) -> Result<(Plan, Problems), Problems> {
    let mut problems = pipeline.faults.clone();
    let drafts = nodes::decode(pipeline, registry, &mut problems);
    let (drafts, sources) = variants::expand(pipeline, drafts, registry, &mut problems);
    let is_test = test.is_some();
    let drafts = match test {
        Some(test) => given::cut(drafts, test),
        None => drafts,
    };
    let order = order::order(&drafts, &mut problems);
    let mut builder = PlanBuilder::new();
    let ids = references::connect(drafts, &order, &mut builder, &mut problems);
    let outputs = if is_test {
        Vec::new()
    } else {
        outputs::connect(pipeline, &sources, registry, &ids, &builder, &mut problems)
    };
    if problems.has_errors() {
        return Err(problems.sorted());
    }
    let plan = builder.seal(
        pipeline.source.clone(),
        pipeline.name.value.clone(),
        pipeline.params.clone(),
        outputs,
    );
    warn_unneeded(&plan, &mut problems);
    let everything = plan.needed_by_outputs();
    problems.extend(missing_files(&plan, &everything));
    problems.extend(files::doubtful_programs(&plan, &everything));
    Ok((plan, problems.sorted()))
}

/// Unneeded nodes that are named.
const MOST_SHOWN: usize = 20;

fn warn_unneeded(plan: &Plan, problems: &mut Problems) {
    use crate::diagnostics::Problem;
    let needed = plan.needed_by_outputs();
    if plan.outputs.is_empty() {
        let place = crate::diagnostics::Place::new(plan.source.clone(), 0..0);
        problems.push(
            Problem::warning(
                "compile::no_outputs",
                "the pipeline has no outputs, so nothing is run",
            )
            .at(&place, "")
            .help("add `outputs:`, or name a node with --to"),
        );
        return;
    }
    let unneeded: Vec<_> = plan
        .nodes()
        .filter(|(id, _)| !needed.contains(id))
        .map(|(_, node)| node)
        .collect();
    if unneeded.is_empty() {
        return;
    }
    let shown = &unneeded[..unneeded.len().min(MOST_SHOWN)];
    let mut names: Vec<String> = shown.iter().map(|n| format!("`{}`", n.name)).collect();
    let more = unneeded.len() - shown.len();
    names.extend((more > 0).then(|| format!("and {more} more")));
    let mut problem = Problem::warning(
        "compile::unneeded",
        format!("no output needs {}", names.join(", ")),
    )
    .help(format!(
        "a run leaves them out; --to {} runs one all the same",
        unneeded[0].name
    ));
    let mut last = None;
    for node in shown {
        // The variants of a swept node stand at one place.
        if last.replace(&node.place.range) != Some(&node.place.range) {
            problem = problem.at(&node.place, "not run");
        }
    }
    problems.push(problem);
}
