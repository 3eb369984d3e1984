//! Two runs of one pipeline at the same time, in one cache.

use std::fs;
use std::time::{Duration, Instant};

use super::families::{Families, Started, count};
use super::process::kill;
use crate::support::{Random, number_from};

#[test]
fn two_runs_at_once_give_the_same_bytes_and_train_once() {
    let families = Families::new();
    let mut random = Random::new();
    for round in 0..number_from("TROMMEL_PAIR_ROUNDS", 3) {
        let cache = format!("shared-{round}");
        families.forget_outputs();
        let mut first = families.start("first", &["--cache", &cache]);
        let apart = families.whole.mul_f64(random.part() / 2.0);
        std::thread::sleep(apart);
        let mut second = families.start("second", &["--cache", &cache]);
        let story = format!("round {round}, {:.3} s apart", apart.as_secs_f64());
        let mut trained = 0;
        for run in [&mut first, &mut second] {
            let status = run.status(&families);
            let events = run.events(&families);
            assert_eq!(status, Some(0), "{story}: {events}");
            trained += count(&events, "node_done", "stage1");
        }
        families.wrote_the_same(&story);
        assert_eq!(trained, 1, "{story}: one trains, the other waits for it");
        families.finishes(&cache, &story);
        fs::remove_dir_all(families.project.path(&cache)).expect("removed");
    }
}

#[test]
fn a_node_whose_holder_dies_is_taken_over() {
    let families = Families::new();
    families.forget_outputs();
    let shared = ["--cache", "shared", "--to", "stage1", "--set", "epochs=40"];
    let mut holder = families.start("holder", &shared);
    wait_for(&families, &mut holder, "node_started");
    let mut waiter = families.start("waiter", &shared);
    wait_for(&families, &mut waiter, "node_waiting");
    assert_eq!(
        count(&waiter.events(&families), "node_started", "stage1"),
        0
    );
    kill(&[holder.child.id()]);
    assert_eq!(holder.status(&families), None, "it still held the node");
    let status = waiter.status(&families);
    let events = waiter.events(&families);
    assert_eq!(status, Some(0), "{events}");
    assert_eq!(count(&events, "node_done", "stage1"), 1, "{events}");
    families.finishes("shared", "after the holder died");
}

/// Waits until a run says this of `stage1`.
fn wait_for(families: &Families, run: &mut Started, event: &str) {
    let start = Instant::now();
    loop {
        let ended = run.child.try_wait().expect("a state").is_some();
        let events = run.events(families);
        if count(&events, event, "stage1") > 0 {
            return;
        }
        let too_late = ended || start.elapsed() > Duration::from_secs(60);
        assert!(!too_late, "no {event} of stage1");
        std::thread::sleep(Duration::from_millis(5));
    }
}
