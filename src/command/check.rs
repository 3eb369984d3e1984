//! `trommel check`: compiles and reports.

use std::process::ExitCode;

use trommel_engine::diagnostics::Problems;

use super::PipelineArgs;
use crate::terminal;

pub(super) fn run(args: &PipelineArgs) -> Result<ExitCode, Problems> {
    let (plan, tests, warnings) = args.compile_with_tests()?;
    terminal::report(&warnings);
    let nodes = plan.nodes().count();
    let tests = match tests.len() {
        0 => String::new(),
        1 => ", 1 test".to_owned(),
        n => format!(", {n} tests"),
    };
    let warned = warnings.iter().count();
    let beside = match warned {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        n => format!(", {n} warnings"),
    };
    terminal::give(&format!(
        "{}: {nodes} nodes, {} outputs{tests}{beside}",
        args.file.display(),
        plan.outputs.len()
    ));
    Ok(ExitCode::SUCCESS)
}
