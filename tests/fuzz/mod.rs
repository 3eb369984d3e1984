//! Fuzzing, bounded: broken pipeline files, broken files of data and a broken cache must give words or nothing, never a
//! panic, never other content.
//!
//! A few thousand cases a test; `TROMMEL_FUZZ_SECONDS=600` goes on for that long (at most ten million cases), and
//! `TROMMEL_SEED` gives others.

mod cache;
mod files;
mod mutate;
mod pipelines;
mod readers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::support::number_from;

const MOST_CASES: u64 = 10_000_000;

/// Calls `case` as often as asked for; what it says of itself is told when it panics.
fn repeat(name: &str, few: u64, mut case: impl FnMut(&mut String)) {
    let seconds = number_from("TROMMEL_FUZZ_SECONDS", 0);
    let (cases, start) = (if seconds == 0 { few } else { MOST_CASES }, Instant::now());
    let mut done = 0;
    let mut slowest = Duration::ZERO;
    while done < cases && (seconds == 0 || start.elapsed().as_secs() < seconds) {
        let mut story = String::new();
        let begun = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| case(&mut story)));
        assert!(result.is_ok(), "case {done} of {name}: {story}");
        let took = begun.elapsed();
        // Whoever edits a file waits for this.
        assert!(
            took < Duration::from_secs(5),
            "case {done} of {name} took {took:?}: {story}"
        );
        slowest = slowest.max(took);
        done += 1;
    }
    if seconds > 0 {
        tell(&format!(
            "{name}: {done} cases in {:.0} s, the slowest {slowest:?}",
            start.elapsed().as_secs_f64()
        ));
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the long mode is run by hand, for its figures"
)]
fn tell(text: &str) {
    eprintln!("{text}");
}
