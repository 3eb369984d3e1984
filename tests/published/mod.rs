//! What the program gives against what the published program gave (or, for `tests/golden`, what a plain PyTorch
//! computation gave), from files to files. `TROMMEL_ORACLE` may name a further folder of recorded outputs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test tells how close the values are, and why it was skipped"
)]

mod clip;
mod compare;
mod diverse;
mod image_reward;
mod judge;
mod pipeline;
mod quickstart;
mod recorded;
mod tensors;
mod whole;

use std::path::Path;

/// Whether the worker stands beside the program. Without it no model runs, and the engine is tested elsewhere.
fn worker() -> bool {
    let worker = Path::new(env!("CARGO_BIN_EXE_trommel")).with_file_name("trommel-torch");
    if !worker.exists() {
        eprintln!("skipped: no worker at {}", worker.display());
    }
    worker.exists()
}
