//! SIGKILL at random moments, to the program, its worker, or both.

use std::fs;
use std::time::Duration;

use super::families::Families;
use super::process::{children_of, end_soon, kill};
use crate::support::{Random, number_from};

#[test]
fn runs_killed_at_random_moments_end_in_the_same_bytes() {
    let families = Families::new();
    let mut random = Random::new();
    let kills = number_from("TROMMEL_CRASH_ROUNDS", 10);
    let (mut killed, mut cache_number) = (0, 0);
    while killed < kills {
        cache_number += 1;
        let cache = format!("killed-{cache_number}");
        families.forget_outputs();
        let mut story = String::new();
        // A cache may be struck more than once before a run gets through.
        for _ in 0..=random.below(3) {
            if let Some(what) = killed_once(&families, &cache, &mut random) {
                killed += 1;
                story += &what;
            }
        }
        families.finishes(&cache, &story);
        fs::remove_dir_all(families.project.path(&cache)).expect("removed");
    }
}

/// Starts a run and kills it; none if it had ended before.
fn killed_once(families: &Families, cache: &str, random: &mut Random) -> Option<String> {
    let mut run = families.start("killed", &["--cache", cache]);
    let moment = families.whole.mul_f64(random.part());
    std::thread::sleep(moment);
    let workers = children_of(run.child.id());
    let way = random.below(3);
    let (who, processes) = match way {
        0 => ("the program", vec![run.child.id()]),
        1 if !workers.is_empty() => ("its worker", workers.clone()),
        _ => ("both", [workers.as_slice(), &[run.child.id()]].concat()),
    };
    let running = run.child.try_wait().expect("a state").is_none();
    if running {
        kill(&processes);
    }
    let status = run.status(families);
    let story = format!(
        "{who} killed after {:.3} s of {:.3} s; ",
        moment.as_secs_f64(),
        families.whole.as_secs_f64()
    );
    if who == "its worker" {
        // The program outlives its worker, fails for that reason or had no more need of it.
        assert!(matches!(status, Some(0 | 1)), "{story}{status:?}");
    } else {
        end_soon(&workers, &story);
    }
    running.then_some(story)
}

#[test]
fn a_run_killed_over_and_over_gets_on() {
    let families = Families::new();
    families.forget_outputs();
    // Each run has a little more time than the last; what one did, the next need not do.
    for round in 1..=6 {
        let mut run = families.start("hurried", &["--cache", "hurried"]);
        std::thread::sleep(families.whole * round / 10 + Duration::from_millis(50));
        kill(&[run.child.id()]);
        run.status(&families);
    }
    families.finishes("hurried", "killed six times");
}
