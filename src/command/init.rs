//! `trommel init`: a ready project.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use trommel_engine::diagnostics::{Problem, Problems};

use crate::terminal;

#[derive(Args)]
pub(crate) struct InitArgs {
    /// The folder of the new project
    dir: PathBuf,
}

pub(super) fn run(args: &InitArgs) -> Result<ExitCode, Problems> {
    trommel_quickstart::write(&args.dir).map_err(|error| {
        Problem::error(
            "init::write",
            format!(
                "cannot write the project to {}: {error}",
                args.dir.display()
            ),
        )
        .help("name a folder that does not exist yet")
    })?;
    let dir = args.dir.display();
    terminal::give(&format!(
        "wrote {dir}; run it with: trommel run {dir}/quickstart.yaml"
    ));
    Ok(ExitCode::SUCCESS)
}
