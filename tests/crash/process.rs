//! Processes as the system shows them: children of a run, and ending them without warning.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// The processes that a process started and that still run: its workers.
pub(super) fn children_of(parent: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&process| {
            state(process).is_some_and(|(parent_of_it, letter)| {
                parent_of_it == parent && !matches!(letter, 'Z' | 'X')
            })
        })
        .collect()
}

/// The parent of a process and the letter of its state; none if there is no such process.
fn state(process: u32) -> Option<(u32, char)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let letter = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, letter))
}

/// SIGKILL to all of them at once; those that are gone already are no fault.
pub(super) fn kill(processes: &[u32]) {
    let list: Vec<String> = processes.iter().map(ToString::to_string).collect();
    let script = format!("kill -KILL {} 2>/dev/null; true", list.join(" "));
    let status = Command::new("sh").args(["-c", &script]).status();
    assert!(status.expect("a shell").success());
}

/// Workers end by themselves when the program that started them is gone.
pub(super) fn end_soon(processes: &[u32], story: &str) {
    let start = Instant::now();
    for &process in processes {
        while state(process).is_some_and(|(_, letter)| !matches!(letter, 'Z' | 'X')) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{story}: the worker {process} outlives its program"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
