//! Runs that are interrupted: the next one goes on from what is done. (Those that are killed: tests/crash.)

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::golden::golden;
use crate::support::{Project, program};

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
