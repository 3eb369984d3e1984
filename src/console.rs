//! Listeners of a run: bars on a terminal, lines elsewhere, JSON for programs.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use trommel_engine::node::NodeEvent;
use trommel_engine::run::{Event, Listener, Report};

use crate::terminal::say;

/// For people, on stderr.
pub(crate) struct Console {
    bars: Option<MultiProgress>,
    by_node: Mutex<HashMap<String, ProgressBar>>,
    /// Where there are no bars: when each node last said how far it is.
    said: Mutex<HashMap<String, Instant>>,
}

/// Elsewhere than on a terminal, progress is a line now and then.
const LINE_EVERY: Duration = Duration::from_secs(15);

/// For programs: one JSON object a line, on stdout.
pub(crate) struct JsonLines;

impl Listener for JsonLines {
    fn event(&self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            // Whoever read this has gone; the run goes on for the cache's sake.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
}

impl Console {
    pub(crate) fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self {
            bars,
            by_node: Mutex::new(HashMap::new()),
            said: Mutex::new(HashMap::new()),
        }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| say(text)),
            None => say(text),
        }
    }

    fn start_bar(&self, node: &str, kind: &str) {
        let (Some(bars), Ok(mut by_node)) = (&self.bars, self.by_node.lock()) else {
            return;
        };
        let bar = bars.add(ProgressBar::no_length());
        let style = ProgressStyle::with_template(
            "{spinner} {prefix:<20} {wide_bar} {pos}/{len} {elapsed} eta {eta} {msg}",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(node.to_owned());
        bar.set_message(kind.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        by_node.insert(node.to_owned(), bar);
    }

    fn move_bar(&self, node: &str, done: u64, total: Option<u64>, note: &str) {
        if self.bars.is_none() {
            self.progress_line(node, done, total, note);
            return;
        }
        let Ok(by_node) = self.by_node.lock() else {
            return;
        };
        if let Some(bar) = by_node.get(node) {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(done);
            bar.set_message(note.to_owned());
        }
    }

    fn progress_line(&self, node: &str, done: u64, total: Option<u64>, note: &str) {
        let Ok(mut said) = self.said.lock() else {
            return;
        };
        let last = said.entry(node.to_owned()).or_insert_with(Instant::now);
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            let of = total.map_or_else(String::new, |total| format!("/{total}"));
            self.line(&format!("         {node:<16} {done}{of} {note}"));
        }
    }

    fn end_bar(&self, node: &str) {
        if let Ok(mut by_node) = self.by_node.lock()
            && let Some(bar) = by_node.remove(node)
        {
            bar.finish_and_clear();
        }
    }
}

impl Listener for Console {
    fn event(&self, event: &Event) {
        match event {
            Event::RunStarted { .. } => {}
            Event::NodeCached {
                node, kind, rows, ..
            } => {
                self.line(&format!("cached   {node:<16} {kind:<20} {rows} rows"));
            }
            Event::NodeStarted { node, kind, why } => {
                self.line(&format!("run      {node:<16} {kind:<20} {why}"));
                self.start_bar(node, kind);
            }
            Event::NodeWaiting { node, because } => {
                self.line(&format!("waits    {node:<16} {because}"));
            }
            Event::NodeRetried {
                node,
                attempt,
                message,
            } => self.line(&format!(
                "again    {node:<16} attempt {attempt} failed: {message}"
            )),
            Event::Corrupt { object, reason } => {
                let object = object.short();
                self.line(&format!(
                    "corrupt  {object}: {reason}; set aside, to be computed again"
                ));
            }
            Event::Chunk {
                node,
                chunk,
                chunks,
                ..
            } => self.move_bar(node, *chunk as u64 + 1, Some(*chunks as u64), "chunks"),
            Event::Node { node, said } => match said {
                NodeEvent::Progress { done, total, note } => {
                    self.move_bar(node, *done, *total, note);
                }
                NodeEvent::Log { message } => self.line(&format!("         {node:<16} {message}")),
                NodeEvent::Warning { message } => {
                    self.line(&format!("warning  {node:<16} {message}"));
                }
            },
            Event::NodeDone {
                node,
                kind,
                rows,
                computed,
                quarantined,
                seconds,
                ..
            } => {
                self.end_bar(node);
                let mut text = format!("done     {node:<16} {kind:<20} {rows} rows");
                if computed != rows {
                    text += &format!(", {computed} of them new");
                }
                if *quarantined > 0 {
                    text += &format!(", {quarantined} quarantined (see {node}.errors)");
                }
                self.line(&format!("{text}, {seconds:.1} s"));
            }
            Event::NodeFailed {
                node,
                kind,
                message,
                help,
            } => {
                self.end_bar(node);
                self.line(&format!(
                    "FAILED   {node:<16} {kind:<20}\n{}",
                    indented(message, help.as_deref())
                ));
            }
            Event::NodeSkipped { node, because } => {
                self.line(&format!("skipped  {node:<16} because {because} failed"));
            }
            Event::OutputWritten { path, rows } => {
                self.line(&format!("wrote    {path} ({rows} rows)"));
            }
            Event::OutputUnchanged { path, rows } => {
                self.line(&format!("as it is {path} ({rows} rows)"));
            }
            Event::OutputFailed {
                path,
                message,
                help,
            } => {
                self.line(&format!(
                    "FAILED   {path}\n{}",
                    indented(message, help.as_deref())
                ));
            }
            Event::RunDone(report) => self.line(&in_words(report)),
        }
    }
}

fn indented(message: &str, help: Option<&str>) -> String {
    let help = help.map_or_else(String::new, |h| format!("\nhelp: {h}"));
    format!("{message}{help}")
        .lines()
        .map(|l| format!("         {l}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn in_words(report: &Report) -> String {
    let Report {
        ran,
        cached,
        failed,
        skipped,
        seconds,
        ..
    } = report;
    let mut parts = Vec::new();
    if *ran == 0 && *failed == 0 && *skipped == 0 {
        parts.push(format!("nothing to run: all {cached} nodes are cached"));
    } else {
        parts.push(format!("{ran} ran, {cached} cached"));
    }
    if *failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if *skipped > 0 {
        parts.push(format!("{skipped} skipped"));
    }
    format!("{}; {seconds:.2} s", parts.join(", "))
}
