//! How far a node is on its way: rows (or steps) done, how fast, and how long it will still take.

use std::time::{Duration, Instant};

use trommel_engine::node::NodeEvent;
use trommel_engine::run::Event;

use super::gpu::GpuMemory;

/// Of one node, from its start.
pub(super) struct Way {
    started: Instant,
    /// Rows of chunks that are done, and how many of those the node computed itself.
    rows: u64,
    computed: u64,
    /// Chunks that are done, and all.
    chunks: (u64, u64),
    /// What the node itself last said: units done of all (within a chunk, if it works by chunks).
    steps: u64,
    steps_of: Option<u64>,
    note: String,
    gpu: Option<GpuMemory>,
}

impl Way {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            rows: 0,
            computed: 0,
            chunks: (0, 0),
            steps: 0,
            steps_of: None,
            note: String::new(),
            gpu: None,
        }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Chunk {
                chunks,
                rows,
                computed,
                ..
            } => {
                self.rows += *rows as u64;
                self.computed += *computed as u64;
                self.chunks = (self.chunks.0 + 1, *chunks as u64);
                self.steps = 0;
            }
            Event::Node {
                said: NodeEvent::Progress { done, total, note },
                ..
            } => {
                (self.steps, self.steps_of) = (*done, *total);
                self.note.clone_from(note);
            }
            Event::Node {
                said: NodeEvent::Worker {
                    device, process, ..
                },
                ..
            } => self.gpu = GpuMemory::of_worker(*process, device),
            _ => {}
        }
    }

    fn by_chunks(&self) -> bool {
        self.chunks.0 > 0
    }

    /// Between 0 and 1, where it can be told.
    pub(super) fn part(&self) -> Option<f64> {
        if !self.by_chunks() {
            let of = self.steps_of.filter(|&of| of > 0)?;
            return Some((self.steps as f64 / of as f64).min(1.0));
        }
        let (done, all) = self.chunks;
        let of_chunk = self.steps_of.filter(|&of| of > 0);
        let within = of_chunk.map_or(0.0, |of| self.steps as f64 / of as f64);
        (all >= done).then(|| ((done as f64 + within) / all as f64).min(1.0))
    }

    /// `4096 rows, 26 %, 812 rows/s, eta 2:31, 12.3 of 139.8 GiB on the GPU`.
    pub(super) fn in_words(&mut self, now: Instant) -> String {
        let seconds = (now - self.started).as_secs_f64().max(1e-3);
        let mut parts = Vec::new();
        let (done, fresh, unit) = if self.by_chunks() {
            (self.rows, self.computed, " rows")
        } else if let Some(unit) = counted(&self.note) {
            (self.steps, self.steps, unit)
        } else {
            (self.steps, self.steps, "")
        };
        if done > 0 {
            let of = self.steps_of.filter(|_| !self.by_chunks());
            parts.push(of.map_or(format!("{done}{unit}"), |of| format!("{done}/{of}{unit}")));
        }
        let part = self.part();
        parts.extend(part.map(|p| format!("{:.0} %", (p * 100.0).floor())));
        let speed = fresh as f64 / seconds;
        if fresh > 0 {
            parts.push(format!("{}{unit}/s", rate(speed)));
        }
        // What is left may all have to be computed; what was found in the cache says nothing of speed.
        if let Some(part) = part.filter(|&p| p > 0.0 && p < 1.0 && fresh > 0) {
            let left = done as f64 * (1.0 - part) / part;
            parts.push(format!("eta {}", clock(left / speed)));
        }
        if !self.note.is_empty() && counted(&self.note).is_none() {
            parts.push(self.note.clone());
        }
        parts.extend(self.gpu.as_mut().and_then(|gpu| gpu.in_words(now)));
        if parts.is_empty() {
            parts.push(format!("at work for {}", clock(seconds)));
        }
        parts.join(", ")
    }
}

/// What a node counts, if that is all its note says.
fn counted(note: &str) -> Option<&'static str> {
    match note {
        "rows" | "records" => Some(" rows"),
        "MB" => Some(" MB"),
        _ => None,
    }
}

fn rate(speed: f64) -> String {
    if speed < 9.95 {
        format!("{speed:.1}")
    } else {
        format!("{speed:.0}")
    }
}

/// `0:07`, `2:31`, `9:00:12`.
pub(super) fn clock(seconds: f64) -> String {
    // More than a century says nothing.
    let whole = Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |d| d.as_secs());
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 876_000 {
        "?".to_owned()
    } else if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(rows: usize, computed: usize) -> Event {
        let node = "n".to_owned();
        Event::Chunk {
            node,
            chunk: 0,
            chunks: 8,
            rows,
            computed,
        }
    }

    fn progress(done: u64, total: Option<u64>, note: &str) -> Event {
        let said = NodeEvent::Progress {
            done,
            total,
            note: note.to_owned(),
        };
        Event::Node {
            node: "n".to_owned(),
            said,
        }
    }

    fn after(seconds: u64, events: &[Event]) -> String {
        let start = Instant::now();
        let mut way = Way::new(start);
        for event in events {
            way.event(event);
        }
        way.in_words(start + Duration::from_secs(seconds))
    }

    #[test]
    fn rows_tell_the_time_that_is_left() {
        let two = [chunk(1024, 1024), chunk(1024, 1024)];
        assert_eq!(after(16, &two), "2048 rows, 25 %, 128 rows/s, eta 0:48");
        let half = [&two[..], &[progress(512, Some(1024), "GPU 3.1 GB")]].concat();
        assert_eq!(
            after(16, &half),
            "2048 rows, 31 %, 128 rows/s, eta 0:35, GPU 3.1 GB"
        );
    }

    #[test]
    fn what_was_cached_says_nothing_of_speed() {
        let mixed = [
            chunk(1024, 0),
            chunk(1024, 0),
            chunk(1024, 0),
            chunk(1024, 24),
        ];
        // 24 rows took 12 s; 4,096 more may take 2,048 s.
        assert_eq!(after(12, &mixed), "4096 rows, 50 %, 2.0 rows/s, eta 34:08");
        assert_eq!(after(1, &mixed[..1]), "1024 rows, 12 %");
    }

    #[test]
    fn steps_of_a_node_and_nothing_at_all() {
        assert_eq!(
            after(60, &[progress(6, Some(60), "loss 1.25")]),
            "6/60, 10 %, 0.1/s, eta 9:00, loss 1.25"
        );
        assert_eq!(
            after(2, &[progress(500, None, "records")]),
            "500 rows, 250 rows/s"
        );
        assert_eq!(
            after(2, &[progress(100, Some(1710), "MB")]),
            "100/1710 MB, 5 %, 50 MB/s, eta 0:32"
        );
        assert_eq!(after(3700, &[]), "at work for 1:01:40");
    }
}
