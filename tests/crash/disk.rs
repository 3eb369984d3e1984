//! Disks that are full or may only be read.

use std::fs;

use super::families::{Families, may_mount};
use crate::support::{Random, number_from};

#[test]
fn a_full_disk_fails_the_run_and_room_heals_it() {
    if !may_mount() {
        return not_here("mounting a small disk");
    }
    let families = Families::new();
    let project = &families.project;
    let mut random = Random::new();
    for _ in 0..number_from("TROMMEL_FULL_ROUNDS", 4) {
        let kilobytes = 16 + random.below(900);
        let story = format!("a disk of {kilobytes} kB");
        families.forget_outputs();
        fs::create_dir_all(project.path("small")).expect("a folder");
        // The disk is gone with the shell that mounted it, so both runs are of one shell.
        let outcome = project.script(&format!(
            r#"unshare -rm sh -c '
            mount -t tmpfs -o size={kilobytes}k tmpfs small || exit 9
            "$PROGRAM" run p.yaml --cache small >first.events 2>first.words
            echo $? >first.status
            mount -o remount,size=1g small || exit 9
            "$PROGRAM" run p.yaml --cache small'"#
        ));
        assert_eq!(outcome.status, 0, "{story}: {outcome}");
        families.wrote_the_same(&story);
        let words = project.read("first.words");
        assert!(!words.contains("panicked"), "{story}: {words}");
        if project.read("first.status").trim() != "0" {
            assert!(
                words.contains("No space left on device"),
                "{story}: {words}"
            );
        }
    }
}

#[test]
fn a_limit_on_the_size_of_files_fails_the_run_and_lifting_it_heals_it() {
    let families = Families::new();
    let mut random = Random::new();
    for round in 0..number_from("TROMMEL_FULL_ROUNDS", 4) {
        let blocks = random.below(200);
        let story = format!("files of up to {blocks} blocks");
        let cache = format!("limited-{round}");
        families.forget_outputs();
        let outcome = families.project.script(&format!(
            r#"trap "" XFSZ; ulimit -f {blocks}; exec "$PROGRAM" run p.yaml --cache {cache}"#
        ));
        if outcome.status == 0 {
            families.wrote_the_same(&story);
        } else {
            assert!(matches!(outcome.status, 1 | 2), "{story}: {outcome}");
            assert!(
                outcome.stderr.contains("File too large"),
                "{story}: {outcome}"
            );
        }
        families.finishes(&cache, &story);
    }
}

#[test]
fn a_cache_that_may_only_be_read_is_told_of() {
    if !may_mount() {
        return not_here("mounting a folder read-only");
    }
    let families = Families::new();
    fs::create_dir(families.project.path("fresh")).expect("a folder");
    for cache in ["fresh", "undisturbed"] {
        families.forget_outputs();
        let outcome = families.project.script(&format!(
            r#"unshare -rm sh -c '
            mount --bind {cache} {cache} && mount -o remount,bind,ro {cache} || exit 9
            "$PROGRAM" run p.yaml --cache {cache}'"#
        ));
        // What is cached whole may be used all the same; anything else needs a place to write to.
        if outcome.status == 0 && cache == "undisturbed" {
            families.wrote_the_same(cache);
        } else {
            assert!(matches!(outcome.status, 1 | 2), "{cache}: {outcome}");
            assert!(
                outcome.stderr.contains("Read-only file system"),
                "{cache}: {outcome}"
            );
        }
        families.finishes(cache, "after it could only be read");
    }
}

#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn not_here(what: &str) {
    eprintln!("left out: {what} is not allowed here");
}
