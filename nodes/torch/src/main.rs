//! The worker program: it is started by `trommel` and does the work that needs a model.

#![expect(
    clippy::print_stderr,
    reason = "the program's last words go to standard error"
)]

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use trommel_torch::{device, serve, stop};

const HELP: &str = "\
trommel-torch: the worker of trommel, for nodes that need a model

`trommel run` starts it and talks with it over standard input and output, in the protocol of
docs/worker-protocol.md; it is of no use alone.

Environment:
  TROMMEL_THREADS    threads to compute and to read images with (default: as many as there are cores)
  TROMMEL_LIBTORCH   folder of a libtorch with CUDA, where it is not the one that the program was built with
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--help" | "-h"] => return say(HELP),
        ["--version" | "-V"] => return say(&format!("{}\n", serve::greeting())),
        [] if io::stdin().is_terminal() => {
            eprintln!(
                "trommel-torch speaks the worker protocol: `trommel run` starts it, it is of no use alone"
            );
            return ExitCode::from(2);
        }
        [] => {}
        [first, ..] => {
            eprintln!("trommel-torch takes no argument {first:?}; see trommel-torch --help");
            return ExitCode::from(2);
        }
    }
    if let Err(error) = device::restart_with_environment() {
        eprintln!("trommel-torch: cannot set up its environment, and may be slow: {error}");
    }
    stop::end_with_engine();
    let served = own_stdout().and_then(|to| {
        let mut to = BufWriter::with_capacity(1 << 16, to);
        serve::serve(&mut BufReader::new(io::stdin().lock()), &mut to)
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        // The engine has gone: nobody is left to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trommel-torch: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Takes standard output for frames alone: whatever a library prints goes to standard error from here on.
fn own_stdout() -> io::Result<File> {
    let frames = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(File::from(frames))
}

fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
