//! The command line of Trommel: the only room that knows both the engine and the node kinds.

mod command;
mod compare;
mod console;
mod expect;
mod layout;
mod locked;
mod quantity;
mod show;
mod summary;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    terminal::set_up();
    let cli = command::Cli::parse();
    match command::run(cli) {
        Ok(status) => status,
        Err(problems) => {
            terminal::report(&problems);
            ExitCode::from(2)
        }
    }
}
