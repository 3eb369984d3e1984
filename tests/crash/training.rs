//! A training run that is killed or stopped goes on from what it has saved, and ends in the bits of one that nothing befell.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::process::{children_of, end_soon, kill};
use crate::support::golden::{PIPELINE, golden, pipeline};
use crate::support::{Project, Random, number_from, program};

/// As [`PIPELINE`], but trained for longer, saved often, and the score net written.
fn project() -> Project {
    let project = golden();
    let (nodes, _) = PIPELINE.split_once("outputs:").expect("outputs");
    let text = nodes.replace("epochs: 1\n", "epochs: 40\n").replace(
        "    precision: f32\n",
        "    precision: f32\n    save_every: 3\n",
    );
    let text = text + "outputs:\n  - { from: stage1, path: net.arrow, format: arrow }\n";
    project.file("p.yaml", pipeline(&text));
    project
}

fn start(project: &Project, cache: &str) -> Child {
    let words = File::create(project.path("words")).expect("a file");
    program(&project.path("."), &["run", "p.yaml", "--cache", cache])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(words)
        .spawn()
        .expect("the program starts")
}

/// The states that a cache holds of runs that did not come to their end.
fn states(project: &Project, cache: &str) -> Vec<String> {
    let folders = fs::read_dir(project.path(&format!("{cache}/unfinished")));
    let folders = folders.into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).expect("a folder"));
    let names = files.map(|file| {
        file.expect("a file")
            .file_name()
            .into_string()
            .expect("text")
    });
    let mut names: Vec<String> = names.filter(|name| name.starts_with("step-")).collect();
    names.sort();
    names
}

fn wait_for_states(project: &Project, cache: &str) -> Vec<String> {
    let start = Instant::now();
    loop {
        let states = states(project, cache);
        if !states.is_empty() {
            return states;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "nothing is saved");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn training_that_is_killed_ends_in_the_same_bits() {
    let project = project();
    let begun = Instant::now();
    project.ran(&["--cache", "undisturbed"]);
    let whole = begun.elapsed();
    let expected = fs::read(project.path("net.arrow")).expect("the score net");
    assert!(states(&project, "undisturbed").is_empty());

    let mut random = Random::new();
    let rounds = number_from("TROMMEL_CRASH_ROUNDS", 3);
    let mut resumed = 0;
    for round in 0..rounds {
        let cache = format!("killed-{round}");
        for _ in 0..=random.below(3) {
            let mut run = start(&project, &cache);
            std::thread::sleep(whole.mul_f64(random.part()));
            let workers = children_of(run.id());
            let who = if random.below(2) == 0 {
                vec![run.id()]
            } else {
                [workers.as_slice(), &[run.id()]].concat()
            };
            kill(&who);
            run.wait().expect("it ends");
            end_soon(&workers, "killed in training");
        }
        let had_states = !states(&project, &cache).is_empty();
        fs::remove_file(project.path("net.arrow")).expect("removed");
        let log = project.log(&["--cache", &cache]);
        assert_eq!(log.outcome.status, 0, "{}", log.outcome);
        let went_on = log.said().contains("goes on after step");
        assert_eq!(went_on, had_states, "{}", log.said());
        resumed += u32::from(went_on);
        let found = fs::read(project.path("net.arrow")).expect("the score net");
        assert!(found == expected, "round {round}: another score net");
        assert!(states(&project, &cache).is_empty());
        fs::remove_dir_all(project.path(&cache)).expect("removed");
    }
    // Kills come at random moments, so this one does not rest on them.
    let mut run = start(&project, "surely");
    wait_for_states(&project, "surely");
    kill(&[run.id()]);
    run.wait().expect("it ends");
    let log = project.log(&["--cache", "surely"]);
    assert!(
        log.said().contains("goes on after step"),
        "{resumed}: {}",
        log.said()
    );
    assert!(fs::read(project.path("net.arrow")).expect("the score net") == expected);
}

#[test]
fn training_that_is_interrupted_saves_first() {
    let project = project();
    project.ran(&["--cache", "undisturbed"]);
    let expected = fs::read(project.path("net.arrow")).expect("the score net");
    let mut run = start(&project, "cache");
    wait_for_states(&project, "cache");
    let interrupted = Command::new("sh")
        .args(["-c", &format!("kill -INT {}", run.id())])
        .status();
    assert!(interrupted.expect("a shell").success());
    assert_eq!(run.wait().expect("it ends").code(), Some(130));
    let words = project.read("words");
    let (_, after) = words
        .split_once("saves the state after step ")
        .expect(&words);
    let step: usize = after
        .split(',')
        .next()
        .and_then(|n| n.parse().ok())
        .expect(&words);
    let last = states(&project, "cache").pop();
    assert_eq!(last, Some(format!("step-{step:09}.safetensors")), "{words}");

    let log = project.log(&["--cache", "cache"]);
    assert_eq!(log.outcome.status, 0, "{}", log.outcome);
    let went_on = format!("goes on after step {step}");
    assert!(log.said().contains(&went_on), "{}", log.said());
    assert!(fs::read(project.path("net.arrow")).expect("the score net") == expected);
}

#[test]
fn a_dry_run_tells_what_training_needs_and_does_not_train() {
    let project = project();
    let log = project.log(&["--dry-run", "--cache", "cache"]);
    assert_eq!(log.outcome.status, 0, "{}", log.outcome);
    let said = log.said();
    for part in [
        "memory: weights ",
        "moments ",
        "activations ",
        "that are free",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(log.line(), "rows, clip 21/21");
    assert!(!project.path("net.arrow").exists());
    assert_eq!(
        project.ran(&["--cache", "cache"]),
        "stage1; wrote net.arrow"
    );
}
