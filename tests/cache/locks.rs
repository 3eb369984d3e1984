//! Two processes on one cache.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::stops::{started, started_training};
use crate::support::golden::golden;

#[test]
fn two_runs_at_once_train_once() {
    let project = golden();
    let runs = ["a", "b"].map(|_| {
        let mut run = started(&project, &["--set", "epochs=20"]);
        let stdout = run.stdout.take().expect("its stdout");
        (
            run,
            std::thread::spawn(move || {
                BufReader::new(stdout)
                    .lines()
                    .map_while(Result::ok)
                    .collect::<Vec<_>>()
            }),
        )
    });
    let mut trained = 0;
    for (mut run, lines) in runs {
        assert!(run.wait().expect("ended").success());
        let lines = lines.join().expect("its lines");
        let done =
            |line: &&String| line.contains(r#""event":"node_done""#) && line.contains("stage1");
        trained += lines.iter().filter(done).count();
    }
    assert_eq!(trained, 1);
    let output = project.read("out.json");
    project.run(&["cache", "verify"]).succeeded();
    project.ran(&["--set", "epochs=20", "--cache", "alone"]);
    assert_eq!(project.read("out.json"), output);
}

#[test]
fn a_lock_is_free_when_its_holder_is_killed() {
    let project = golden();
    let mut first = started_training(&project);
    let mut second = started(&project, &["--set", "epochs=100000"]);
    let stdout = BufReader::new(second.stdout.take().expect("its stdout"));
    let mut lines = stdout.lines().map_while(Result::ok);
    let waiting = lines
        .find(|line| line.contains("node_waiting"))
        .expect("it waits");
    assert!(
        waiting.contains(&format!("process {}", first.id())),
        "{waiting}"
    );
    first.kill().expect("killed");
    first.wait().expect("ended");
    let goes_on = |line: String| line.contains(r#""what":"progress""#) && line.contains("stage1");
    assert!(lines.any(goes_on), "it takes the lock over");
    second.kill().expect("killed");
    second.wait().expect("ended");
}

#[test]
fn rounds_of_two_processes_leave_a_whole_cache() {
    let project = golden();
    project.ran(&[]);
    let output = project.read("out.json");
    for round in 0..4 {
        fs::remove_dir_all(project.path(".trommel/tables")).expect("removed");
        fs::remove_dir_all(project.path(".trommel/chunks")).expect("removed");
        let runs = [0, 1].map(|_| {
            let mut command = crate::support::program(&project.path("."), &["run", "p.yaml"]);
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("it starts")
        });
        for mut run in runs {
            assert!(run.wait().expect("ended").success(), "round {round}");
        }
        assert_eq!(project.read("out.json"), output, "round {round}");
        project.run(&["cache", "verify"]).succeeded();
    }
    assert_eq!(project.ran(&[]), "nothing; kept out.json");
}
