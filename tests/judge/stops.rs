//! Runs that are killed or interrupted: what was answered is kept.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::server::{Act, Server};
use super::{all_marked, project, texts};
use crate::support::{Project, program};

fn started(project: &Project) -> Child {
    program(&project.path("."), &["run", "p.yaml", "--json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

#[test]
fn a_killed_run_loses_at_most_what_was_in_flight() {
    let server = Server::start(|_, _| Act::Wait(Duration::from_millis(5)));
    let texts = texts(300);
    let project = project(&server, &texts, "    concurrency: 8");
    let mut kills = 0;
    for moment in [60, 120, 180] {
        let mut child = started(&project);
        server.wait_for(moment);
        child.kill().expect("killed");
        child.wait().expect("ended");
        kills += 1;
    }
    project.ran(&[]);
    all_marked(&project, &texts);
    let repeated = server.requests() - texts.len();
    assert!(repeated <= kills * 8, "{repeated} requests were repeated");
}

#[test]
fn an_interrupted_run_ends_soon_and_keeps_what_it_has() {
    let server = Server::start(|number, _| {
        let long = if number < 30 { 0 } else { 4000 };
        Act::Wait(Duration::from_millis(long))
    });
    let texts = texts(60);
    let project = project(&server, &texts, "    concurrency: 8");
    let mut child = started(&project);
    server.wait_for(31);
    let kill = format!("kill -INT {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .expect("a shell")
            .success()
    );
    let start = Instant::now();
    assert_eq!(child.wait().expect("ended").code(), Some(130));
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    let before = server.requests();
    server.becomes(|_, _| Act::Answer);
    project.ran(&[]);
    all_marked(&project, &texts);
    assert_eq!(server.requests() - before, 30);
}
