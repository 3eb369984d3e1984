//! The worker program: it is started by `trommel` and does the work that needs a model.

#![expect(
    clippy::print_stderr,
    reason = "the program's last words go to standard error"
)]

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!(
        "trommel-torch speaks the worker protocol: `trommel run` starts it, it is of no use alone"
    );
    ExitCode::from(2)
}
