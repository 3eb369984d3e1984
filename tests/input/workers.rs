//! A worker that is not there, is no worker, or dies.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::golden::golden;

#[test]
fn a_worker_that_is_not_there_is_said_so() {
    let project = golden();
    let missing = [("TROMMEL_WORKER", "/nonexistent/worker")];
    project.fails_with(
        &missing,
        &["cannot start the worker /nonexistent/worker", "make build"],
    );
    // What is cached needs none.
    project.ran(&[]);
    project.run_with(&missing, &["run", "p.yaml"]).succeeded();
}

#[test]
fn a_program_that_is_no_worker_is_a_failed_node() {
    for (script, words) in [
        (
            "echo \"out of luck\" >&2; exit 3",
            &["ended", "out of luck"][..],
        ),
        (
            "echo Hello, I am no worker at all.; sleep 5",
            &["not understood"],
        ),
        ("kill -9 $$", &["ended"]),
    ] {
        let project = golden();
        let worker = project.path("worker.sh");
        project.file("worker.sh", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&worker, fs::Permissions::from_mode(0o755)).expect("executable");
        let worker = worker.display().to_string();
        let log = project.fails_with(&[("TROMMEL_WORKER", &worker)], words);
        assert!(log.line().contains("FAILED clip"), "{}", log.line());
        // The failure is not cached.
        assert_eq!(
            project.ran(&[]),
            "clip 21/21, stage1, difficulty, selected; wrote out.json"
        );
    }
}
