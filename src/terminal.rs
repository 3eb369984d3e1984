//! How problems look on a terminal and elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use miette::{GraphicalReportHandler, GraphicalTheme};
use trommel_engine::diagnostics::{Problem, Problems};
use trommel_engine::table::panics_are_caught;

/// A closed pipe (`trommel show ... | head`) ends the program quietly, as it ends others.
pub(crate) fn set_up() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panics_are_caught() {
            return;
        }
        let text = panic
            .payload()
            .downcast_ref::<String>()
            .map_or("", String::as_str);
        if text.contains("Broken pipe") {
            std::process::exit(0);
        }
        default(panic);
    }));
}

/// Problems shown in one go: nobody mends more before the next check.
const MOST_PROBLEMS: usize = 100;

/// Prints to stderr.
pub(crate) fn report(problems: &Problems) {
    for problem in problems.iter().take(MOST_PROBLEMS) {
        say(render(problem).trim_end());
    }
    let more = problems.iter().count().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        say(&format!("and {more} more problems"));
    }
}

/// One line (or more) for people, on stderr.
pub(crate) fn say(text: &str) {
    // Nobody can be told when stderr is gone.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A result, on stdout.
pub(crate) fn give(text: &str) {
    let result = writeln!(std::io::stdout(), "{text}");
    if result.is_err() {
        std::process::exit(0);
    }
}

/// Rows as columns that stand below each other, two spaces apart.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "{cell:width$}  ");
        }
        text.trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn render(problem: &Problem) -> String {
    let fancy = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if fancy {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .with_links(false);
    let mut text = String::new();
    if handler.render_report(&mut text, problem).is_err() {
        let _ = write!(text, "{}: {}", problem.code, problem.message);
    }
    text
}
