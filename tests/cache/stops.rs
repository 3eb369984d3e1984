//! Runs that are killed or interrupted: the next one goes on from what is done.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::golden::golden;
use crate::support::{Project, program};

const ROUNDS: u32 = 5;

pub(super) fn started(project: &Project, arguments: &[&str]) -> Child {
    let call = [&["run", "p.yaml", "--json"], arguments].concat();
    program(&project.path("."), &call)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

/// A run that is in the middle of a training that takes long.
pub(super) fn started_training(project: &Project) -> Child {
    let mut child = started(project, &["--set", "epochs=100000"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("its stdout"));
    let mut line = String::new();
    while !(line.contains(r#""what":"progress""#) && line.contains("stage1")) {
        line.clear();
        let read = stdout.read_line(&mut line).expect("a line");
        assert!(read > 0, "it ended");
    }
    // Somebody has to read what it says.
    std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
    child
}

#[test]
fn a_run_that_is_killed_and_run_again_gives_the_same_bytes() {
    let project = golden();
    let outputs = || (project.read("out.json"), project.read("out.json.lock.json"));
    let start = Instant::now();
    project.ran(&["--cache", "undisturbed"]);
    let whole = start.elapsed();
    let expected = outputs();
    for round in 0..ROUNDS {
        for name in ["out.json", "out.json.lock.json"] {
            fs::remove_file(project.path(name)).expect("removed");
        }
        let cache = format!("killed-{round}");
        let arguments = ["--cache", cache.as_str()];
        let mut child = started(&project, &arguments);
        // Spread over the run, a little off the even places.
        std::thread::sleep(whole * (2 * round + 1) / (2 * ROUNDS) + Duration::from_millis(7));
        child.kill().expect("killed");
        child.wait().expect("ended");
        project.ran(&arguments);
        assert_eq!(outputs(), expected, "round {round}");
    }
}

#[test]
fn a_run_that_is_interrupted_says_so_and_the_next_goes_on() {
    let project = golden();
    // Long enough to be interrupted in.
    let mut child = started(&project, &["--set", "epochs=100000"]);
    let stdout = BufReader::new(child.stdout.take().expect("its stdout"));
    let mut lines = stdout.lines().map(|line| line.expect("a line"));
    assert!(lines.any(|line| line.contains(r#""what":"progress""#) && line.contains("stage1")));
    let interrupted = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", child.id())])
        .status()
        .expect("a shell");
    assert!(interrupted.success());
    let start = Instant::now();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("ended").code(), Some(130), "{rest:?}");
    assert!(start.elapsed() < Duration::from_secs(20), "it stops soon");
    assert!(
        rest.iter().any(|line| line.contains(r#""cancelled":true"#)),
        "{rest:?}"
    );
    assert!(!project.path("out.json").exists());
    assert_eq!(
        project.ran(&[]),
        "stage1, difficulty, selected; wrote out.json"
    );
}
