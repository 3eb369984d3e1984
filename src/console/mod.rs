//! Listeners of a run: bars on a terminal, lines elsewhere, JSON for programs.

mod bars;
mod gpu;
mod way;

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use trommel_engine::node::NodeEvent;
use trommel_engine::run::{Event, Listener, Report};

use crate::terminal::say;
use bars::Bars;
use way::Way;

/// For people, on stderr: a line per event, and how far the nodes are.
pub(crate) struct Console {
    far: Far,
}

/// How far the nodes are that run.
enum Far {
    /// On a terminal.
    Bars(Bars),
    /// Elsewhere: a line now and then.
    Lines(Mutex<HashMap<String, Slow>>),
}

/// A node that may turn out to be slow.
struct Slow {
    way: Way,
    said: Instant,
}

/// Elsewhere than on a terminal, how often a node says how far it is.
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
        let far = if std::io::stderr().is_terminal() {
            Far::Bars(Bars::new())
        } else {
            Far::Lines(Mutex::default())
        };
        Self { far }
    }

    fn line(&self, text: &str) {
        match &self.far {
            Far::Bars(bars) => bars.line(text),
            Far::Lines(_) => say(text),
        }
    }
}

impl Listener for Console {
    fn event(&self, event: &Event) {
        match &self.far {
            Far::Bars(bars) => bars.event(event),
            Far::Lines(slow) => {
                if let Some(line) = slow
                    .lock()
                    .ok()
                    .and_then(|mut s| now_and_then(&mut s, event))
                {
                    say(&line);
                }
            }
        }
        if let Some(text) = in_words(event) {
            self.line(&text);
        }
    }
}

/// A line about a node that has been silent for a while.
fn now_and_then(slow: &mut HashMap<String, Slow>, event: &Event) -> Option<String> {
    let now = Instant::now();
    match event {
        Event::NodeStarted { node, .. } => {
            let way = Way::new(now);
            slow.insert(node.clone(), Slow { way, said: now });
        }
        Event::NodeDone { node, .. }
        | Event::NodeFailed { node, .. }
        | Event::NodeCached { node, .. } => {
            slow.remove(node);
        }
        Event::Chunk { node, .. } | Event::Node { node, .. } => {
            // One that fetches its model has not started yet.
            if is_progress(event) && !slow.contains_key(node) {
                let way = Way::new(now);
                slow.insert(node.clone(), Slow { way, said: now });
            }
            let entry = slow.get_mut(node)?;
            entry.way.event(event);
            if now - entry.said >= LINE_EVERY {
                entry.said = now;
                return Some(format!("         {node:<16} {}", entry.way.in_words(now)));
            }
        }
        _ => {}
    }
    None
}

fn is_progress(event: &Event) -> bool {
    let progress = |said: &NodeEvent| matches!(said, NodeEvent::Progress { .. });
    matches!(event, Event::Node { said, .. } if progress(said))
}

/// What an event is worth a line of.
fn in_words(event: &Event) -> Option<String> {
    Some(match event {
        Event::NodeCached {
            node, kind, rows, ..
        } => format!("cached   {node:<16} {kind:<20} {rows} rows"),
        Event::NodeStarted {
            node, kind, why, ..
        } => format!("run      {node:<16} {kind:<20} {why}"),
        Event::NodeWaiting { node, because } => format!("waits    {node:<16} {because}"),
        Event::NodeRetried {
            node,
            attempt,
            message,
        } => format!("again    {node:<16} attempt {attempt}: {message}"),
        Event::Node { node, said } => match said {
            NodeEvent::Log { message } => format!("         {node:<16} {message}"),
            NodeEvent::Warning { message } => format!("warning  {node:<16} {message}"),
            NodeEvent::Progress { .. } | NodeEvent::Worker { .. } => return None,
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
            let mut text = format!("done     {node:<16} {kind:<20} {rows} rows");
            if computed != rows {
                text += &format!(", {computed} of them new");
            }
            if *quarantined > 0 {
                text += &format!(", {quarantined} quarantined (see {node}.errors)");
            }
            format!("{text}, {seconds:.1} s")
        }
        Event::NodeFailed {
            node,
            kind,
            message,
            help,
        } => format!(
            "FAILED   {node:<16} {kind:<20}\n{}",
            indented(message, help.as_deref())
        ),
        Event::NodeSkipped { node, because } => {
            format!("skipped  {node:<16} because {because} failed")
        }
        Event::Corrupt { object, reason } => format!(
            "corrupt  {} in the cache: {reason}; set aside, and computed again",
            object.short()
        ),
        Event::OutputWritten { path, rows } => format!("wrote    {path} ({rows} rows)"),
        Event::OutputUnchanged { path, rows } => format!("as it is {path} ({rows} rows)"),
        Event::OutputFailed {
            path,
            message,
            help,
        } => format!("FAILED   {path}\n{}", indented(message, help.as_deref())),
        Event::RunDone(report) => the_end(report),
        Event::RunStarted { .. } | Event::Chunk { .. } => return None,
    })
}

fn indented(message: &str, help: Option<&str>) -> String {
    let help = help.map_or_else(String::new, |h| format!("\nhelp: {h}"));
    format!("{message}{help}")
        .lines()
        .map(|l| format!("         {l}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn the_end(report: &Report) -> String {
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
