//! What several benchmarks need.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// Paths from the command line, as many as there are names for them; other counts end the program with the names.
pub fn paths<const N: usize>(names: [&str; N]) -> [PathBuf; N] {
    let given: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    given
        .try_into()
        .unwrap_or_else(|_| panic!("arguments: {}", names.join(" ")))
}

const ROUNDS: usize = 3;

/// Seconds of the best of three rounds, after one that is not counted.
pub fn best(work: impl Fn()) -> f64 {
    let rounds = (0..=ROUNDS).map(|_| seconds(&work));
    rounds.skip(1).fold(f64::INFINITY, f64::min)
}

/// Seconds that the work takes.
pub fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// The most memory that this process has had so far.
pub fn peak_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.expect("VmHWM") * 1024.0 / 1e6
}
