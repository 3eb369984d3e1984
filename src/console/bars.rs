//! Bars on a terminal. Events only note how far a node is; one thread draws, a few times a second, so
//! that nodes which run at once do not write over each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use trommel_engine::run::Event;

use super::is_progress;
use super::way::{Way, clock};
use crate::terminal::say;

const DRAW_EVERY: Duration = Duration::from_millis(200);

/// A node that is done sooner gets no bar: it would only flicker.
const PATIENCE: Duration = Duration::from_millis(400);

/// Bars at once; the overall line counts the other nodes.
const MOST: usize = 8;

const PARTS: u64 = 1000;

pub(super) struct Bars {
    screen: MultiProgress,
    board: Arc<Mutex<Board>>,
    stop: Arc<AtomicBool>,
    drawer: Mutex<Option<JoinHandle<()>>>,
}

/// What is to be drawn.
struct Board {
    started: Instant,
    nodes: usize,
    ended: usize,
    running: Vec<Running>,
    overall: Option<ProgressBar>,
}

struct Running {
    node: String,
    way: Way,
    bar: Option<ProgressBar>,
}

impl Bars {
    pub(super) fn new() -> Self {
        let screen = MultiProgress::new();
        let board = Arc::new(Mutex::new(Board {
            started: Instant::now(),
            nodes: 0,
            ended: 0,
            running: Vec::new(),
            overall: None,
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let drawer = std::thread::spawn({
            let (screen, board, stop) = (screen.clone(), board.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Ok(mut board) = board.lock() {
                        board.draw(&screen, Instant::now());
                    }
                    std::thread::park_timeout(DRAW_EVERY);
                }
            }
        });
        Self {
            screen,
            board,
            stop,
            drawer: Mutex::new(Some(drawer)),
        }
    }

    /// A line above the bars.
    pub(super) fn line(&self, text: &str) {
        if self.stop.load(Ordering::Relaxed) {
            // The cursor is to stand below the last line.
            say(text);
        } else {
            // Nobody can be told when the terminal is gone.
            let _ = self.screen.println(text);
        }
    }

    pub(super) fn event(&self, event: &Event) {
        if let Ok(mut board) = self.board.lock() {
            board.event(event, &self.screen);
        }
        if matches!(event, Event::RunDone(_)) {
            self.end();
        }
    }

    fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.lock().ok().and_then(|mut d| d.take()) {
            drawer.thread().unpark();
            // It only draws; how it ended does not matter.
            let _ = drawer.join();
        }
        if let Ok(mut board) = self.board.lock() {
            board.clear(&self.screen);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.end();
    }
}

impl Board {
    fn event(&mut self, event: &Event, screen: &MultiProgress) {
        match event {
            Event::RunStarted { nodes, .. } => self.nodes = *nodes,
            Event::NodeStarted { node, .. } => {
                // A node that is tried again starts anew.
                self.take_off(node, screen);
                self.put_on(node);
            }
            Event::Chunk { node, .. } | Event::Node { node, .. } => {
                let at = self.running.iter().position(|r| r.node == *node);
                // One that fetches its model has not started yet.
                let at = at.or_else(|| is_progress(event).then(|| self.put_on(node)));
                if let Some(at) = at {
                    self.running[at].way.event(event);
                }
            }
            Event::NodeDone { node, .. }
            | Event::NodeFailed { node, .. }
            | Event::NodeCached { node, .. }
            | Event::NodeSkipped { node, .. } => {
                self.take_off(node, screen);
                self.ended += 1;
            }
            _ => {}
        }
    }

    /// The place of a new node among those that run.
    fn put_on(&mut self, node: &str) -> usize {
        self.running.push(Running {
            node: node.to_owned(),
            way: Way::new(Instant::now()),
            bar: None,
        });
        self.running.len() - 1
    }

    fn take_off(&mut self, node: &str, screen: &MultiProgress) {
        let Some(at) = self.running.iter().position(|r| r.node == node) else {
            return;
        };
        if let Some(bar) = self.running.remove(at).bar {
            bar.finish_and_clear();
            screen.remove(&bar);
        }
    }

    fn draw(&mut self, screen: &MultiProgress, now: Instant) {
        if now - self.started < PATIENCE {
            return;
        }
        let overall = self.overall.get_or_insert_with(|| {
            let bar = screen.add(ProgressBar::no_length());
            bar.set_style(style("{spinner} {msg}"));
            bar
        });
        let mut shown = self.running.iter().filter(|r| r.bar.is_some()).count();
        for running in &mut self.running {
            if running.bar.is_none() && shown < MOST && now - running.way.started() >= PATIENCE {
                let bar = screen.insert_before(overall, ProgressBar::new(PARTS));
                bar.set_style(style("  {prefix:<20!} {bar:20} {wide_msg}"));
                bar.set_prefix(running.node.clone());
                running.bar = Some(bar);
                shown += 1;
            }
            if let Some(bar) = &running.bar {
                let part = running.way.part().unwrap_or(0.0);
                bar.set_position((part * PARTS as f64) as u64);
                bar.set_message(running.way.in_words(now));
            }
        }
        let hidden = match self.running.len() - shown {
            0 => String::new(),
            more => format!(" ({more} without a bar)"),
        };
        overall.set_message(format!(
            "{} of {} nodes, {} running{hidden}, {}",
            self.ended,
            self.nodes,
            self.running.len(),
            clock((now - self.started).as_secs_f64()),
        ));
        overall.tick();
    }

    fn clear(&mut self, screen: &MultiProgress) {
        for bar in self
            .running
            .drain(..)
            .filter_map(|r| r.bar)
            .chain(self.overall.take())
        {
            bar.finish_and_clear();
            screen.remove(&bar);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}
